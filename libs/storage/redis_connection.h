#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/redis.h"

namespace parley::storage {

// Why a command failed that Redis did not answer begins with this.
inline constexpr std::string_view kUnanswered = "redis: ";
inline std::string Unanswered(const std::string& reason) { return std::string(kUnanswered) + reason; }

// One socket to Redis, for one life: connects, introduces itself, then pipelines until it breaks. Redis answers in
// order, so the oldest command's deadline is the connection's.
class RedisConnection {
 public:
  using Words = std::vector<std::string>;
  struct Events {
    std::function<void()> ready;  // connected, and Redis took all of `setup`
    // Once. The commands in flight fail right after it.
    std::function<void(const std::string& reason)> closed;
    std::function<void(const Reply& message)> message;  // of a subscription
  };

  // AUTH and SELECT of `options` come before `setup`.
  RedisConnection(Loop& loop, const RedisOptions& options, std::vector<Words> setup, Events events,
                  RedisCounters& counters);
  // Silent: what is in flight is forgotten.
  ~RedisConnection();

  // `done` is never called from inside.
  void Send(std::span<const std::string_view> words, Redis::Done done);
  std::size_t pending() const;
  // When the bytes came that were read last.
  std::chrono::steady_clock::time_point last_heard() const;
  void Close(const std::string& reason);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace parley::storage

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"

namespace parley::storage {

// A Redis reply (RESP2). Error replies come as Result's Error, never as a Reply.
struct Reply {
  enum class Kind { kNil, kInteger, kString, kArray };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;
  std::vector<Reply> items;
  bool is_nil() const { return kind == Kind::kNil; }
};

// A Lua script, sent by its SHA-1 and in full only when Redis does not know it yet.
class Script {
 public:
  explicit Script(std::string source);
  const std::string& source() const { return source_; }
  const std::string& sha1() const { return sha1_; }

 private:
  std::string source_;
  std::string sha1_;
};

struct RedisOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string unix_socket;  // instead of host and port
  std::string username;
  std::string password;
  int database = 0;
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds command_timeout{2000};
  std::chrono::milliseconds reconnect_min{50};
  std::chrono::milliseconds reconnect_max{1000};
  std::size_t max_pending = 100000;  // commands awaiting replies; more fail at once
};

// One pipelined connection: commands of a loop turn leave in one write. Reconnects by itself; what was in flight when
// it broke fails (it may or may not have been done). While it is down, commands fail at once. Loop's thread only.
// hiredis formats and reads RESP.
class Redis {
 public:
  using Done = std::function<void(Result<Reply>)>;
  Redis(Loop& loop, RedisOptions options);
  ~Redis();

  void Command(const std::vector<std::string_view>& words, Done done);
  void Eval(const Script& script, const std::vector<std::string_view>& keys,
            const std::vector<std::string_view>& arguments, Done done);

  // Client-side caching (CLIENT TRACKING, remembering mode, NOLOOP, redirected to a second connection): `invalidated`
  // names each key that was read through this connection and then changed by someone else; nullptr: forget everything
  // (either connection broke).
  void Track(std::function<void(const std::string* key)> invalidated);
  // Called with true once connected (and ready), false when lost.
  void OnState(std::function<void(bool up)> changed);
  bool up() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::storage

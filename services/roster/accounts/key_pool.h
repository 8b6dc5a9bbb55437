#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "libs/telemetry/metrics.h"
#include "services/roster/accounts/account_store.h"

namespace parley::roster {

struct KeyPoolOptions {
  std::uint32_t iterations = 4096;
  std::size_t threads = 0;  // 0: one per core
  std::size_t max_queue = 4096;
};

// Makes SCRAM keys of passwords, 1.6 ms each, on threads of its own. The passwords are wiped afterwards.
class KeyPool {
 public:
  KeyPool(Loop& loop, KeyPoolOptions options, telemetry::Metrics& metrics);
  ~KeyPool();

  // `password` is prepared. False: too many wait; `done` is not called then, else later on the loop's thread.
  bool Derive(std::string password, std::function<void(ScramKeys)> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::roster

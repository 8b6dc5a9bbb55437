#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "libs/base/loop.h"
#include "services/roster/accounts/account_store.h"

namespace parley::roster {

// Looks now and then how many iterations the accounts' passwords have, so that unknown users can look like them.
class Surveyor {
 public:
  Surveyor(Loop& loop, AccountStore& store, std::chrono::milliseconds period,
           std::function<void(IterationSurvey)> surveyed);

  // From now on, again soon as long as it fails.
  void Start() { Look(); }

 private:
  void Look();

  Loop& loop_;
  AccountStore& store_;
  const std::chrono::milliseconds period_;
  std::function<void(IterationSurvey)> surveyed_;
  Loop::Timer timer_;
};

}  // namespace parley::roster

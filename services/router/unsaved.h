#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <unordered_set>

#include "libs/base/task.h"
#include "services/router/metrics.h"
#include "services/router/options.h"

namespace parley::router {

class AccountTable;
class Account;

// Accounts of which Redis refused what was to be written, although it could be reached: no reconnect will have them
// read again. One of them is tried each `router.unsaved_retry`; if Redis takes it, the others follow, one after the
// other.
class Unsaved {
 public:
  Unsaved(Tasks& tasks, AccountTable& accounts, const Options& options, Metrics& metrics);

  void Add(const std::string& bare);

 private:
  Task<void> Run();
  void SaveNext();
  Task<void> Save(Account& account);

  Tasks& tasks_;
  AccountTable& accounts_;
  const std::chrono::milliseconds retry_;
  Metrics& metrics_;
  std::deque<std::string> waiting_;
  std::unordered_set<std::string> known_;  // what waits
  bool running_ = false;
  bool saving_ = false;  // Redis has taken one since we last looked
};

}  // namespace parley::router

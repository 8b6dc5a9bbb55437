#include "services/router/unsaved.h"

#include <utility>

#include "services/router/account_table.h"

namespace parley::router {

Unsaved::Unsaved(Tasks& tasks, AccountTable& accounts, const Options& options, Metrics& metrics)
    : tasks_(tasks), accounts_(accounts), retry_(options.unsaved_retry), metrics_(metrics) {}

void Unsaved::Add(const std::string& bare) {
  if (!known_.insert(bare).second) return;
  waiting_.push_back(bare);
  metrics_.unsaved.Set(static_cast<double>(waiting_.size()));
  if (!std::exchange(running_, true)) tasks_.Spawn("save_unsaved", Run(), [this] { running_ = false; });
}

// Begins anew where the last one that was tried failed, or waits for its account's turn.
Task<void> Unsaved::Run() {
  while (!waiting_.empty()) {
    co_await SleepFor(retry_);
    if (!std::exchange(saving_, false)) SaveNext();
  }
}

void Unsaved::SaveNext() {
  if (waiting_.empty()) return;
  const std::string bare = std::move(waiting_.front());
  waiting_.pop_front();
  known_.erase(bare);
  AccountTable::Job job;
  job.run = [this](Account& account) { return Save(account); };
  job.failed = [this, bare] { Add(bare); };
  accounts_.Post(bare, std::move(job));
}

Task<void> Unsaved::Save(Account& account) {
  co_await accounts_.Reload(account);
  if (account.unsaved()) {
    Add(account.bare());
    co_return;
  }
  metrics_.unsaved.Set(static_cast<double>(waiting_.size()));
  saving_ = true;
  SaveNext();
}

}  // namespace parley::router

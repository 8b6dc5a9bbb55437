#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "libs/base/task.h"
#include "services/router/account_table.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/queue_memory.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"

namespace parley::router {

// What ended sessions with stream management (XEP-0198) left in their queues: their clients did not acknowledge it. It
// is handled again, as for a session that is gone.
class Unacknowledged {
 public:
  Unacknowledged(Tasks& tasks, AccountTable& accounts, SessionStore& store, const Options& options, Metrics& metrics)
      : tasks_(tasks), accounts_(accounts), store_(store), options_(options), metrics_(metrics) {}

  // A session that ends: its record, how it stands in Redis, and whether its client closed it (then nobody resumes it).
  struct Ended {
    Record record;
    SessionStore::Expected as;
    std::string reason;
  };
  // In the account's turn: before everything else that waits for it. Without Redis later, behind what comes meanwhile.
  // `told` goes when all is taken care of. The record is retired already, or is if Redis was away when it should have
  // been.
  Task<void> HandleAgain(const Account& account, Ended ended, Receipt told);
  // Whether this was in the queue of a session that ended lately.
  bool Had(const std::string& session, const Envelope& envelope) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Past {
    std::string session;
    Clock::time_point since;
  };

  Task<bool> TryAgain(const Account& account, const Ended& ended, Receipt told);
  Task<void> Later(std::string bare, Ended ended, Receipt told);
  void Post(const Account& account, const Ended& ended, session::QueueContents contents, const Receipt& told);
  void Remember(const std::string& session, const session::QueueContents& contents);

  Tasks& tasks_;
  AccountTable& accounts_;
  SessionStore& store_;
  Options options_;
  Metrics& metrics_;
  std::map<std::string, std::unique_ptr<QueueMemory>> had_;
  std::deque<Past> past_;  // oldest first
};

}  // namespace parley::router

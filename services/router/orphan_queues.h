#pragma once

#include <chrono>
#include <optional>

#include "libs/base/task.h"
#include "parley/link/v1/link.pb.h"
#include "services/router/account.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/session_store.h"

namespace parley::router {

// The queues of sessions that have no edge (Orphans), as this router writes to them. All run in the account's turn.
class OrphanQueues {
 public:
  OrphanQueues(SessionStore& store, Metrics& metrics, const Options& options);

  enum class Outcome {
    kQueued,   // or it was there already, or its client has acknowledged it
    kNoQueue,  // claimed by means of another router, or lost
    kInDoubt,  // Redis failed for too long
  };
  // Behind what is in the queue of the session that it names, however full that is. Until Redis has it, or patience is
  // over: what is behind it may not overtake it.
  Task<Outcome> Append(Account& account, link::v1::Envelope& envelope);

  // Until Redis can be reached. False: patience is over.
  Task<bool> AwaitRedis();
  // While Redis is away, all that has to wait for it waits no longer than one of them may (router.delivery_timeout).
  bool OutOfPatience();
  // Something could not be queued, or waits for Redis, and nothing was queued since.
  bool failing() const { return failing_since_.has_value(); }
  // It is there again, or has done what it was told.
  void RedisAnswers() { failing_since_.reset(); }

 private:
  Task<Outcome> TryToAppend(Account& account, link::v1::Envelope& envelope);

  using Clock = std::chrono::steady_clock;

  SessionStore& store_;
  Metrics& metrics_;
  const std::chrono::milliseconds patience_;
  std::optional<Clock::time_point> failing_since_;  // Redis, when something was to be queued
};

}  // namespace parley::router

#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "libs/base/task.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/queue_memory.h"
#include "services/router/session_store.h"

namespace parley::router {

// What was in the queues of sessions that ended lately (router.sm_remember_queue, router.remember_queues): what is
// delivered to them again after a fault is recognised by it.
class PastQueues {
 public:
  PastQueues(SessionStore& store, Metrics& metrics, const Options& options)
      : store_(store), metrics_(metrics), remember_(options.sm_remember_queue), most_(options.remember_queues) {}

  void Remember(const std::string& session, const session::QueueContents& contents);
  // Whether the session `envelope` is for had it in its queue, or it was answered for it; as far as can be known.
  Task<bool> Had(std::string bare, const link::v1::Envelope& envelope);

 private:
  using Clock = std::chrono::steady_clock;
  struct Past {
    std::string session;
    Clock::time_point since;
  };

  SessionStore& store_;
  Metrics& metrics_;
  const Clock::duration remember_;
  const std::size_t most_;
  std::map<std::string, std::unique_ptr<QueueMemory>> had_;
  std::deque<Past> past_;  // oldest first
};

}  // namespace parley::router

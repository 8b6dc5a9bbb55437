#include "services/router/orphan_queues.h"

#include <memory>
#include <string>
#include <utility>

#include "libs/base/unix_time.h"
#include "libs/session/queue.h"
#include "services/router/queue_memory.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kRetry{100};  // without Redis

// What an edge gave back is not marked as a repeat, but Redis may have done late what that edge had told it. Of
// presence one cause may have two effects.
bool HadQueued(const QueueMemory& queue, const link::v1::Envelope& envelope) {
  const bool once = envelope.kind() == link::v1::KIND_MESSAGE || envelope.kind() == link::v1::KIND_IQ;
  return (once && queue.Holds(envelope)) || (envelope.repeat() && queue.Has(envelope));
}

}  // namespace

OrphanQueues::OrphanQueues(SessionStore& store, Metrics& metrics, const Options& options)
    : store_(store), metrics_(metrics), patience_(options.delivery_timeout) {}

Task<OrphanQueues::Outcome> OrphanQueues::Append(Account& account, link::v1::Envelope& envelope) {
  Outcome outcome = co_await TryToAppend(account, envelope);
  while (outcome == Outcome::kInDoubt && !OutOfPatience()) {
    co_await SleepFor(kRetry);
    envelope.set_repeat(true);
    outcome = co_await TryToAppend(account, envelope);
  }
  if (outcome != Outcome::kInDoubt) RedisAnswers();
  co_return outcome;
}

Task<OrphanQueues::Outcome> OrphanQueues::TryToAppend(Account& account, link::v1::Envelope& envelope) {
  Session* session = account.WithId(envelope.session());
  std::string queue = session->record.queue();
  if (!session->queued) {
    const auto contents = co_await store_.LoadQueue(account.bare(), queue);
    if (!contents) co_return Outcome::kInDoubt;
    session->queued = std::make_shared<QueueMemory>(contents->value_or(session::QueueContents()));
  }
  if (HadQueued(*session->queued, envelope)) co_return Outcome::kQueued;
  std::string element = session::Encode(envelope, UnixMilliseconds(), 0);
  const auto length = co_await store_.Append(account.bare(), std::move(queue), std::move(element));
  if (!length) {
    session->queued.reset();  // what it holds is to be read again
    co_return Outcome::kInDoubt;
  }
  if (*length == 0) co_return Outcome::kNoQueue;
  metrics_.queued.Increment();
  session->queued->Add(envelope);
  co_return Outcome::kQueued;
}

Task<bool> OrphanQueues::AwaitRedis() {
  while (!store_.up()) {
    if (OutOfPatience()) co_return false;
    co_await SleepFor(kRetry);
  }
  co_return true;
}

bool OrphanQueues::OutOfPatience() {
  const auto now = Clock::now();
  if (!failing_since_) failing_since_ = now;
  return now - *failing_since_ >= patience_;
}

}  // namespace parley::router

#include "services/router/past_queues.h"

namespace parley::router {

void PastQueues::Remember(const std::string& session, const session::QueueContents& contents) {
  const auto now = Clock::now();
  const auto full = [this] { return past_.size() >= most_; };
  while (!past_.empty() && (past_.front().since + remember_ < now || full())) {
    if (past_.front().since + remember_ >= now) metrics_.limits_queues.Increment();
    had_.erase(past_.front().session);
    past_.pop_front();
  }
  had_[session] = std::make_unique<QueueMemory>(contents);
  past_.push_back({session, now});
}

// Its end may have been another router's doing.
Task<bool> PastQueues::Had(std::string bare, const link::v1::Envelope& envelope) {
  const std::string session = envelope.session();
  if (!had_.contains(session)) {
    const auto past = co_await store_.LoadPastQueue(bare, session);
    if (!past || !past->has_value()) co_return false;
    Remember(session, **past);
  }
  co_return had_.at(session)->Has(envelope);
}

}  // namespace parley::router

#include "services/router/left_lately.h"

#include "libs/base/ids.h"

namespace parley::router {
namespace {

// 0: nobody's.
std::uint64_t SentAs(const link::v1::Envelope& envelope) {
  return envelope.origin().empty() ? 0 : StableHash(envelope.origin(), envelope.origin_seq());
}

}  // namespace

bool LeftLately::Note(const link::v1::Envelope& left, Clock::time_point now) {
  ForgetOld(now);
  const std::uint64_t sent = SentAs(left);
  if (sent == 0) return true;
  const bool room = past_.size() < most_;
  if (!room) ForgetOldest();
  left_[sent] = Left{std::string(left.unacknowledged_by()), left.unacknowledged_number(), now};
  past_.push_back({sent, now});
  return room;
}

bool LeftLately::Rename(link::v1::Envelope& envelope, Clock::time_point now) const {
  const auto found = left_.find(SentAs(envelope));
  if (found == left_.end() || found->second.since + remember_ < now) return false;
  envelope.set_unacknowledged_by(found->second.session);
  envelope.set_unacknowledged_number(found->second.number);
  return true;
}

void LeftLately::ForgetOld(Clock::time_point now) {
  while (!past_.empty() && past_.front().since + remember_ < now) ForgetOldest();
}

void LeftLately::ForgetOldest() {
  const auto found = left_.find(past_.front().sent);
  if (found != left_.end() && found->second.since == past_.front().since) left_.erase(found);
  past_.pop_front();
}

}  // namespace parley::router

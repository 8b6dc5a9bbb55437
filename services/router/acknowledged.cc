#include "services/router/acknowledged.h"

#include <algorithm>
#include <utility>

#include "libs/session/acknowledged.h"
#include "libs/session/queue.h"

namespace parley::router {

void Acknowledged::Add(session::v1::Acknowledged end) {
  ends_.push_back(std::move(end));
  if (ends_.size() > most_) ends_.pop_front();
}

bool Acknowledged::Has(const link::v1::Envelope& message) const {
  const session::Mark mark = session::MarkOf(message);
  return mark.origin != 0 && HasNumber(mark.origin, mark.seq);
}

bool Acknowledged::HasCopy(const link::v1::Envelope& message) const {
  const session::Mark mark = session::MarkOf(message);
  return mark.origin != 0 && HasNumber(session::OriginOfCopies(mark.origin), mark.seq);
}

bool Acknowledged::HasNumber(std::uint64_t origin, std::uint64_t number) const {
  const auto has = [origin, number](const session::v1::Seen& seen) {
    return seen.origin() == origin && session::HasAcknowledged(seen, number);
  };
  return std::any_of(ends_.begin(), ends_.end(), [&has](const session::v1::Acknowledged& end) {
    return std::any_of(end.seen().begin(), end.seen().end(), has);
  });
}

}  // namespace parley::router

#include "services/router/queue_memory.h"

#include "libs/base/ids.h"
#include "libs/session/acknowledged.h"

namespace parley::router {

namespace {

std::uint64_t IdentityBy(const session::Mark& mark) {
  return mark.origin == 0 ? 0 : mark.origin ^ (mark.seq * 0x9e3779b97f4a7c15);
}

}  // namespace

std::uint64_t IdentityOf(const link::v1::Envelope& envelope) {
  if (envelope.answers() != 0) return StableHash("answer", envelope.answers());
  return IdentityBy(session::MarkOf(envelope));
}

QueueMemory::QueueMemory(const session::QueueContents& contents) {
  for (const auto& seen : contents.header.seen()) {
    auto& known = acknowledged_[seen.origin()];
    if (known.seq() <= seen.seq()) known = seen;
  }
  for (const auto& queued : contents.stanzas) Add(queued.envelope());
}

bool QueueMemory::Has(const link::v1::Envelope& envelope) const {
  const std::uint64_t identity = IdentityOf(envelope);
  if (identity == 0) return false;
  if (Holds(envelope)) return true;
  const session::Mark mark = session::MarkOf(envelope);
  const auto origin = acknowledged_.find(mark.origin);
  if (mark.origin == 0 || origin == acknowledged_.end()) return false;
  const auto copies = acknowledged_.find(session::OriginOfCopies(mark.origin));
  return session::CountsAsAcknowledged(envelope, origin->second,
                                       copies == acknowledged_.end() ? nullptr : &copies->second);
}

bool QueueMemory::Holds(const link::v1::Envelope& envelope) const {
  return stanzas_.contains(IdentityOf(envelope)) || stanzas_.contains(IdentityBy(session::FirstMarkOf(envelope)));
}

void QueueMemory::Add(const link::v1::Envelope& envelope) {
  ++count_;
  bytes_ += envelope.stanza().size();
  if (const std::uint64_t identity = IdentityOf(envelope); identity != 0) stanzas_.insert(identity);
}

}  // namespace parley::router

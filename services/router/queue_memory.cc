#include "services/router/queue_memory.h"

#include "libs/base/ids.h"

namespace parley::router {
namespace {

// 0: none.
std::uint64_t IdentityOf(const link::v1::Envelope& envelope) {
  if (envelope.answers() != 0) return StableHash("answer", envelope.answers());
  if (!envelope.origin().empty()) return StableHash(envelope.origin(), envelope.origin_seq());
  return 0;
}

}  // namespace

QueueMemory::QueueMemory(const session::QueueContents& contents) {
  for (const auto& seen : contents.header.seen()) {
    auto& numbers = acknowledged_[seen.origin()];
    if (seen.seq() >= numbers.highest) numbers = {seen.seq(), seen.window()};
  }
  for (const auto& queued : contents.stanzas) Add(queued.envelope());
}

bool QueueMemory::Has(const link::v1::Envelope& envelope) const {
  const std::uint64_t identity = IdentityOf(envelope);
  if (identity == 0) return false;
  if (stanzas_.contains(identity)) return true;
  if (envelope.answers() != 0) return false;  // an origin's answers keep no order among its stanzas
  const auto origin = acknowledged_.find(StableHash(envelope.origin()));
  return origin != acknowledged_.end() && origin->second.Has(envelope.origin_seq());
}

void QueueMemory::Add(const link::v1::Envelope& envelope) {
  ++count_;
  bytes_ += envelope.stanza().size();
  if (const std::uint64_t identity = IdentityOf(envelope); identity != 0) stanzas_.insert(identity);
}

}  // namespace parley::router

#include "libs/session/acknowledged.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "libs/base/ids.h"
#include "libs/xmpp/request.h"

namespace parley::session {
namespace {

constexpr std::uint64_t kBlock = 64;

int IndexOf(const v1::Seen& seen, std::uint64_t number) {
  const auto& blocks = seen.block();
  return static_cast<int>(std::find(blocks.begin(), blocks.end(), number / kBlock) - blocks.begin());
}

// In order. Where it is then.
int Insert(v1::Seen& seen, std::uint64_t block) {
  auto& blocks = *seen.mutable_block();
  auto& acknowledged = *seen.mutable_acknowledged();
  const auto at = std::upper_bound(blocks.begin(), blocks.end(), block) - blocks.begin();
  blocks.Add(block);
  acknowledged.Add(0);
  std::rotate(blocks.begin() + at, blocks.end() - 1, blocks.end());
  std::rotate(acknowledged.begin() + at, acknowledged.end() - 1, acknowledged.end());
  return static_cast<int>(at);
}

// As many as both have: another release may have written something else.
int Known(const v1::Seen& seen) { return std::min(seen.block_size(), seen.acknowledged_size()); }

}  // namespace

bool NoteAcknowledged(v1::Seen& seen, std::uint64_t number, std::uint32_t blocks) {
  if (seen.block_size() != seen.acknowledged_size()) {
    seen.clear_block();
    seen.clear_acknowledged();
  }
  int index = IndexOf(seen, number);
  if (index == Known(seen)) index = Insert(seen, number / kBlock);
  seen.set_acknowledged(index, seen.acknowledged(index) | std::uint64_t{1} << number % kBlock);
  const int excess = seen.block_size() - static_cast<int>(blocks);
  if (excess <= 0) return true;
  seen.mutable_block()->erase(seen.block().begin(), seen.block().begin() + excess);
  seen.mutable_acknowledged()->erase(seen.acknowledged().begin(), seen.acknowledged().begin() + excess);
  return false;
}

bool HasAcknowledged(const v1::Seen& seen, std::uint64_t number) {
  const int index = IndexOf(seen, number);
  return index < Known(seen) && (seen.acknowledged(index) >> number % kBlock & 1) != 0;
}

std::uint64_t Highest(const v1::Seen& seen) {
  if (seen.seq() != 0) return seen.seq();
  std::uint64_t highest = 0;
  for (int i = 0; i < Known(seen); ++i) {
    const auto width = static_cast<std::uint64_t>(std::bit_width(seen.acknowledged(i)));
    if (width > 0) highest = std::max(highest, seen.block(i) * kBlock + width - 1);
  }
  return highest;
}

std::uint64_t LatestAcknowledged(const v1::Seen& seen) {
  const std::uint64_t highest = Highest(seen);
  std::uint64_t latest = 0;
  for (std::uint64_t n = 0; n < kBlock && n < highest; ++n) {
    if (HasAcknowledged(seen, highest - n)) latest |= std::uint64_t{1} << n;
  }
  return latest;
}

const v1::Seen* FindSeen(const v1::QueueHeader& header, std::uint64_t origin) {
  const auto& all = header.seen();
  const auto seen = std::find_if(all.begin(), all.end(), [origin](const auto& one) { return one.origin() == origin; });
  return seen == all.end() ? nullptr : &*seen;
}

bool IsNotedOneByOne(const link::v1::Envelope& envelope) {
  return envelope.kind() == link::v1::KIND_MESSAGE || xmpp::IsRequest(envelope.type());
}

std::uint64_t UnknownUpTo(const v1::Seen& seen, const v1::Seen* copies) {
  std::optional<std::uint64_t> known_from;
  for (const v1::Seen* one : {&seen, copies}) {
    if (one == nullptr || Known(*one) == 0) continue;
    const auto first = std::min_element(one->block().begin(), one->block().begin() + Known(*one));
    known_from = std::max(known_from.value_or(1), *first * kBlock);
  }
  return known_from ? std::min(seen.seq(), *known_from - 1) : seen.seq();
}

std::uint64_t OriginOfCopies(std::uint64_t origin) { return origin ^ 0xc2b2ae3d27d4eb4f; }

bool CountsAsAcknowledged(const link::v1::Envelope& envelope, const v1::Seen& seen, const v1::Seen* copies) {
  const std::uint64_t number = MarkOf(envelope).seq;
  if (envelope.kept()) return HasAcknowledged(seen, number);
  if (!IsNotedOneByOne(envelope)) return number <= seen.seq();
  return number <= UnknownUpTo(seen, copies) || HasAcknowledged(seen, number) ||
         (copies != nullptr && HasAcknowledged(*copies, number));
}

Mark FirstMarkOf(const link::v1::Envelope& left) {
  if (left.unacknowledged_by().empty() || left.origin().empty()) return {};
  return {StableHash(left.origin()), left.origin_seq()};
}

v1::Acknowledged AcknowledgedSince(const v1::QueueHeader& header, std::int64_t old) {
  v1::Acknowledged acknowledged;
  for (const auto& seen : header.seen()) {
    if (Known(seen) > 0 && seen.at() >= old) *acknowledged.add_seen() = seen;
  }
  return acknowledged;
}

void Add(v1::Acknowledged& acknowledged, const Mark& mark, std::int64_t at) {
  if (mark.origin == 0) return;
  auto& all = *acknowledged.mutable_seen();
  auto seen = std::find_if(all.begin(), all.end(), [&](const v1::Seen& each) { return each.origin() == mark.origin; });
  if (seen == all.end()) {
    all.Add()->set_origin(mark.origin);
    seen = all.end() - 1;
  }
  seen->set_at(at);
  NoteAcknowledged(*seen, mark.seq, static_cast<std::uint32_t>(seen->block_size()) + 1);
}

std::string AcknowledgedKey(std::string_view bare_jid) {
  std::string key = "parley:k:{";
  return key.append(bare_jid).append("}");
}

}  // namespace parley::session

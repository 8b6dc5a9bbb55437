#include "services/c2s/session/repeats.h"

#include <utility>

namespace parley::c2s {

bool Repeats::Numbers::Has(std::uint64_t seq) const {
  if (seq > highest) return false;
  return highest - seq >= kLatest || (latest >> (highest - seq) & 1) != 0;
}

bool Repeats::Numbers::HasItself(std::uint64_t seq) const {
  return seq <= highest && highest - seq < kLatest && (itself >> (highest - seq) & 1) != 0;
}

void Repeats::Numbers::Add(std::uint64_t seq) {
  if (seq > highest) {
    const std::uint64_t by = seq - highest;
    latest = by < kLatest ? latest << by : 0;
    itself = by < kLatest ? itself << by : 0;
    highest = seq;
  }
  if (highest - seq >= kLatest) return;
  latest |= std::uint64_t{1} << (highest - seq);
  itself |= std::uint64_t{1} << (highest - seq);
}

template <class Known>
bool Repeats::Any(const Key& key, Clock::time_point now, Known known) {
  Age(now);
  for (const auto* generation : {&young_, &old_}) {
    const auto found = generation->find(key);
    if (found != generation->end() && known(found->second)) return true;
  }
  return false;
}

bool Repeats::Seen(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  return Any({origin, session}, now, [seq](const Numbers& numbers) { return numbers.Has(seq); });
}

bool Repeats::SeenItself(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  return Any({origin, session}, now, [seq](const Numbers& numbers) { return numbers.HasItself(seq); });
}

Repeats::Kept Repeats::Note(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  const Kept kept = Age(now);
  young_[{origin, session}].Add(seq);
  return kept;
}

Repeats::Kept Repeats::NoteUpTo(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, std::uint64_t itself,
                                Clock::time_point now) {
  const Kept kept = Age(now);
  auto& numbers = young_[{origin, session}];
  numbers.Add(seq);
  if (numbers.highest != seq) return kept;
  numbers.latest = ~std::uint64_t{0};
  numbers.itself |= itself;
  return kept;
}

Repeats::Kept Repeats::Age(Clock::time_point now) {
  const auto age = now - born_;
  if (young_.size() < max_entries_ && age < period_) return Kept::kAll;
  // Both are too old when nothing came for long.
  if (age >= 2 * period_) young_.clear();
  old_ = std::exchange(young_, {});
  born_ = now;
  return age < period_ ? Kept::kShorter : Kept::kAll;
}

}  // namespace parley::c2s

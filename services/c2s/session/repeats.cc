#include "services/c2s/session/repeats.h"

#include <algorithm>
#include <utility>

namespace parley::c2s {

bool Repeats::Numbers::Has(std::uint64_t seq) const {
  return seq <= up_to || (seq <= highest && highest - seq >= kLatest) || HasItself(seq);
}

bool Repeats::Numbers::HasItself(std::uint64_t seq) const {
  return seq <= highest && highest - seq < kLatest && (latest >> (highest - seq) & 1) != 0;
}

void Repeats::Numbers::Add(std::uint64_t seq, std::uint64_t below) {
  if (seq > highest) {
    latest = seq - highest < kLatest ? latest << (seq - highest) : 0;
    highest = seq;
  }
  if (highest - seq < kLatest) latest |= below << (highest - seq);
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
  young_[{origin, session}].Add(seq, 1);
  return kept;
}

Repeats::Kept Repeats::NoteUpTo(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, std::uint64_t itself,
                                Clock::time_point now) {
  const Kept kept = Age(now);
  auto& numbers = young_[{origin, session}];
  numbers.Add(seq, itself);
  numbers.up_to = std::max(numbers.up_to, seq);
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

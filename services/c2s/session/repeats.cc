#include "services/c2s/session/repeats.h"

#include <functional>
#include <utility>

namespace parley::c2s {

bool Repeats::Numbers::Has(std::uint64_t seq) const {
  if (seq > highest) return false;
  return highest - seq >= kLatest || (latest >> (highest - seq) & 1) != 0;
}

void Repeats::Numbers::Add(std::uint64_t seq) {
  if (seq > highest) {
    latest = seq - highest < kLatest ? latest << (seq - highest) : 0;
    highest = seq;
  }
  if (highest - seq < kLatest) latest |= std::uint64_t{1} << (highest - seq);
}

bool Repeats::Seen(std::uint64_t origin, std::string_view session, std::uint64_t seq, Clock::time_point now) {
  Age(now);
  const Key key = KeyFor(origin, session);
  for (const auto* generation : {&young_, &old_}) {
    const auto found = generation->find(key);
    if (found != generation->end() && found->second.Has(seq)) return true;
  }
  return false;
}

Repeats::Kept Repeats::Note(std::uint64_t origin, std::string_view session, std::uint64_t seq, Clock::time_point now) {
  const Kept kept = Age(now);
  young_[KeyFor(origin, session)].Add(seq);
  return kept;
}

Repeats::Kept Repeats::NoteUpTo(std::uint64_t origin, std::string_view session, std::uint64_t seq,
                                Clock::time_point now) {
  const Kept kept = Age(now);
  auto& numbers = young_[KeyFor(origin, session)];
  numbers.Add(seq);
  if (numbers.highest == seq) numbers.latest = ~std::uint64_t{0};
  return kept;
}

Repeats::Key Repeats::KeyFor(std::uint64_t origin, std::string_view session) {
  return Key{origin, std::hash<std::string_view>()(session)};
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

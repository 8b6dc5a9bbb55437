#include "services/c2s/session/repeats.h"

#include <algorithm>
#include <utility>

namespace parley::c2s {

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
  return Any({origin, session}, now, [seq](const Numbers& numbers) {
    return seq <= numbers.up_to || numbers.latest.IsOlder(seq) || numbers.latest.Has(seq);
  });
}

bool Repeats::SeenOneByOne(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  return Any({origin, session}, now, [seq](const Numbers& numbers) {
    return seq <= numbers.unknown_up_to || numbers.latest.IsOlder(seq) || numbers.latest.Has(seq);
  });
}

bool Repeats::SeenItself(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  return Any({origin, session}, now, [seq](const Numbers& numbers) { return numbers.latest.Has(seq); });
}

Repeats::Kept Repeats::Note(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now) {
  const Kept kept = Age(now);
  young_[{origin, session}].latest.Add(seq);
  return kept;
}

Repeats::Kept Repeats::NoteUpTo(std::uint64_t origin, std::uint64_t session, const Past& past, Clock::time_point now) {
  const Kept kept = Age(now);
  auto& numbers = young_[{origin, session}];
  numbers.latest.Add(past.seq, past.itself | 1);
  numbers.up_to = std::max(numbers.up_to, past.seq);
  numbers.unknown_up_to = std::max(numbers.unknown_up_to, past.unknown_up_to);
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

#include "services/c2s/session/repeats.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace parley::c2s {

bool Repeats::Seen(std::uint64_t origin, std::string_view session, std::uint64_t seq, Clock::time_point now) {
  Age(now);
  const Key key = KeyFor(origin, session);
  for (const auto* generation : {&young_, &old_}) {
    const auto found = generation->find(key);
    if (found != generation->end()) return seq <= found->second;
  }
  return false;
}

Repeats::Kept Repeats::Note(std::uint64_t origin, std::string_view session, std::uint64_t seq, Clock::time_point now) {
  const Kept kept = Age(now);
  auto& highest = young_[KeyFor(origin, session)];
  highest = std::max(highest, seq);
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

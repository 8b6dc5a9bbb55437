#pragma once

#include <cstdint>
#include <optional>

namespace parley::bench {

// Who has whom as contacts: users sit in circles of `group`, and know `contacts`/2 neighbours on either side. The same
// for any number of users and processes, so that rosters made once serve all runs.
class Circle {
 public:
  Circle(std::uint32_t group, std::uint32_t contacts) : group_(group), contacts_(contacts) {}

  std::uint32_t contacts() const { return contacts_; }
  // The neighbour at `distance` after `user`.
  std::uint32_t After(std::uint32_t user, std::uint32_t distance) const {
    const std::uint32_t base = user / group_ * group_;
    return base + (user - base + distance) % group_;
  }
  // Which of `user`'s contacts `other` is, from 0 to contacts().
  std::optional<std::uint32_t> SlotOf(std::uint32_t user, std::uint32_t other) const {
    if (user / group_ != other / group_ || user == other) return std::nullopt;
    const std::uint32_t distance = (other % group_ + group_ - user % group_) % group_;
    if (distance <= contacts_ / 2) return distance - 1;
    if (group_ - distance <= contacts_ / 2) return contacts_ - (group_ - distance);
    return std::nullopt;
  }

 private:
  const std::uint32_t group_;
  const std::uint32_t contacts_;
};

}  // namespace parley::bench

#pragma once

#include <cstdint>

namespace parley::session {

// Which of a sequence of numbers were seen, exactly for the highest and the 64 below it. What is older counts as not seen:
// better twice than never.
struct SeenNumbers {
  std::uint64_t highest = 0;
  std::uint64_t window = 0;  // bit n: highest - 1 - n

  bool Has(std::uint64_t seq) const {
    if (seq == highest) return true;
    return seq < highest && highest - seq <= 64 && ((window >> (highest - 1 - seq)) & 1) != 0;
  }
  void Add(std::uint64_t seq) {
    if (seq > highest) {
      const std::uint64_t by = seq - highest;
      window = by >= 64 ? 0 : window << by;
      if (highest != 0 && by <= 64) window |= std::uint64_t{1} << (by - 1);
      highest = seq;
    } else if (seq < highest && highest - seq <= 64) {
      window |= std::uint64_t{1} << (highest - 1 - seq);
    }
  }
};

}  // namespace parley::session

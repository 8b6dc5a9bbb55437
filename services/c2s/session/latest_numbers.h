#pragma once

#include <cstdint>

namespace parley::c2s {

// Which of the latest numbers of something that is numbered from 1 were noted.
class LatestNumbers {
 public:
  static constexpr std::uint64_t kCount = 64;  // so many, up to the highest
  // That very one was.
  bool Has(std::uint64_t number) const {
    return number <= highest_ && !IsOlder(number) && (noted_ >> (highest_ - number) & 1) != 0;
  }
  // Nothing is known of it: it is older than the latest.
  bool IsOlder(std::uint64_t number) const { return number + kCount <= highest_; }
  // Bit n of `below`: number - n.
  void Add(std::uint64_t number, std::uint64_t below = 1) {
    if (number > highest_) {
      noted_ = number - highest_ < kCount ? noted_ << (number - highest_) : 0;
      highest_ = number;
    }
    if (!IsOlder(number)) noted_ |= below << (highest_ - number);
  }

 private:
  std::uint64_t highest_ = 0;
  std::uint64_t noted_ = 0;  // bit n: highest_ - n
};

}  // namespace parley::c2s

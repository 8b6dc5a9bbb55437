#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace parley::bench {

// Counts of nanoseconds in buckets whose width is at most 1.6 % of their value (as HdrHistogram's).
class Histogram {
 public:
  void Record(std::uint64_t nanoseconds);
  void Clear();
  void Add(const Histogram& other);
  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  // The value that `share` (0..1) of all do not exceed.
  std::uint64_t Percentile(double share) const;

  nlohmann::json ToJson() const;
  static Histogram FromJson(const nlohmann::json& json);

 private:
  static constexpr int kSubBits = 6;
  static constexpr int kBuckets = (64 - kSubBits + 1) << kSubBits;
  static int Bucket(std::uint64_t value);
  static std::uint64_t UpperBound(int bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace parley::bench

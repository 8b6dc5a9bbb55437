#include "bench/generator/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

namespace parley::bench {

int Histogram::Bucket(std::uint64_t value) {
  if (value < (1u << kSubBits)) return static_cast<int>(value);
  const int shift = std::bit_width(value) - 1 - kSubBits;
  return ((shift + 1) << kSubBits) + static_cast<int>((value >> shift) - (1u << kSubBits));
}

std::uint64_t Histogram::UpperBound(int bucket) {
  if (bucket < (1 << kSubBits)) return bucket;
  const int shift = (bucket >> kSubBits) - 1;
  const std::uint64_t sub = (bucket & ((1 << kSubBits) - 1)) + (1u << kSubBits);
  return ((sub + 1) << shift) - 1;
}

void Histogram::Record(std::uint64_t nanoseconds) {
  ++counts_[Bucket(nanoseconds)];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::Clear() { *this = Histogram(); }

void Histogram::Add(const Histogram& other) {
  for (int i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::Percentile(double share) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank && seen > 0) return std::min(UpperBound(i), max_);
  }
  return 0;
}

nlohmann::json Histogram::ToJson() const {
  nlohmann::json buckets = nlohmann::json::array();
  for (int i = 0; i < kBuckets; ++i) {
    if (counts_[i] > 0) buckets.push_back({i, counts_[i]});
  }
  return {{"buckets", buckets}, {"max", max_}};
}

Histogram Histogram::FromJson(const nlohmann::json& json) {
  Histogram histogram;
  for (const auto& pair : json.at("buckets")) {
    histogram.counts_.at(pair.at(0).get<std::size_t>()) = pair.at(1).get<std::uint64_t>();
    histogram.count_ += pair.at(1).get<std::uint64_t>();
  }
  histogram.max_ = json.at("max").get<std::uint64_t>();
  return histogram;
}

}  // namespace parley::bench

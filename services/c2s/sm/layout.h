#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/session/queue.h"

namespace parley::c2s {

// How the stanzas of a queue are divided among the elements of its list in Redis: one in each, or several packed.
class Layout {
 public:
  // Of a queue with nothing in it.
  explicit Layout(std::uint64_t acked = 0) : acked_(acked) {}
  // Of one as it was read.
  explicit Layout(const session::QueueContents& contents)
      : stanzas_(contents.counts), acked_(contents.header.acked()), skip_(contents.header.skip()) {}

  // At the end.
  void Add(const std::vector<session::Element>& elements) {
    const auto end = stanzas_.size();
    stanzas_.resize(end + elements.size());
    for (std::size_t i = 0; i < elements.size(); ++i) stanzas_[end + i] = elements[i].stanzas;
  }
  // Of the list, with its header.
  std::size_t length() const { return stanzas_.size() + 1; }
  // Number of the last stanza that it was told to be acknowledged.
  std::uint64_t acked() const { return acked_; }
  // So many of the first element's are.
  std::uint32_t skip() const { return skip_; }

  // Stanzas up to this number are acknowledged: how many elements, the first ones, have no others. They are gone.
  std::size_t Acknowledge(std::uint64_t upto) {
    std::uint64_t count = upto - acked_ + skip_;
    auto end = stanzas_.begin();
    for (; end != stanzas_.end() && *end <= count; ++end) count -= *end;
    const auto gone = static_cast<std::size_t>(end - stanzas_.begin());
    stanzas_.erase(stanzas_.begin(), end);
    if (stanzas_.empty()) std::vector<std::uint32_t>().swap(stanzas_);  // idle sessions have nothing on the heap
    acked_ = upto;
    skip_ = static_cast<std::uint32_t>(count);
    return gone;
  }
  // All numbers are higher by so many.
  void Renumber(std::uint64_t by) { acked_ += by; }

 private:
  std::vector<std::uint32_t> stanzas_;  // how many each element has
  std::uint64_t acked_;
  std::uint32_t skip_ = 0;
};

}  // namespace parley::c2s

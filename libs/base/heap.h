#pragma once

#include <cstddef>

#include "libs/base/loop.h"

namespace parley {

// Gives back to the system what a burst left behind: glibc keeps freed memory for as long as something above it lives.
// Looks now and then, and trims only where it is worth the time.
class HeapTrimmer {
 public:
  HeapTrimmer() = default;
  explicit HeapTrimmer(Loop& loop);

  // True: much was held for nothing, and it was trimmed.
  bool Look();

 private:
  std::size_t kept_ = 0;  // idle bytes that trimming could not give back, or are not the heap's
  Loop::Timer timer_;
};

}  // namespace parley

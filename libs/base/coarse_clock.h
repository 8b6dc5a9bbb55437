#pragma once

#include <time.h>

#include <chrono>

namespace parley {

// std::chrono::steady_clock as it was at the kernel's last tick: costs a tenth of reading it, and is
// kCoarseTick behind at most, but where a virtual machine's host takes the processor away that keeps the time. For what
// is asked per stanza and measured in seconds.
inline constexpr std::chrono::milliseconds kCoarseTick{50};

inline std::chrono::steady_clock::time_point CoarseNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::steady_clock::time_point(std::chrono::seconds(now.tv_sec) +
                                               std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace parley

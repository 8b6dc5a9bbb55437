#pragma once

#include <chrono>
#include <cstdint>

namespace parley {

// For what leaves the process; everything else is measured by steady clocks.
inline std::int64_t UnixMilliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace parley

#include "libs/base/heap.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

namespace parley {
namespace {

constexpr std::chrono::seconds kPeriod{10};
constexpr std::size_t kWorthwhile = 32U << 20U;

// Bytes of memory that no file is behind, and are not in use by anybody who asked for them.
std::size_t IdleBytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::size_t of_files = 0;
  std::ifstream("/proc/self/statm") >> total >> resident >> of_files;
  const std::size_t anonymous = (resident - of_files) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const struct mallinfo2 heap = mallinfo2();
  const std::size_t used = heap.uordblks + heap.hblkhd;
  return anonymous > used ? anonymous - used : 0;
}

}  // namespace

HeapTrimmer::HeapTrimmer(Loop& loop) : timer_(loop.Every(kPeriod, [this] { Look(); })) {}

bool HeapTrimmer::Look() {
  const std::size_t idle = IdleBytes();
  kept_ = std::min(kept_, idle);
  if (idle - kept_ < kWorthwhile) return false;
  malloc_trim(0);
  kept_ = IdleBytes();
  return true;
}

}  // namespace parley

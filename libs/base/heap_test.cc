#include "libs/base/heap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

namespace parley {
namespace {

// Sanitizers have allocators of their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

constexpr std::size_t kMiB = 1U << 20U;

std::size_t Resident() {
  std::size_t total = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(HeapTrimmerTest, GivesBackWhatABurstLeft) {
  HeapTrimmer trimmer;
  trimmer.Look();
  const std::size_t before = Resident();
  auto burst = std::make_unique<std::vector<std::string>>();
  for (int i = 0; i < 6400; ++i) burst->emplace_back(20000, 'x');  // 128 MB, too small to be mapped each on its own
  const std::string pin(20000, 'x');                               // above it all
  EXPECT_FALSE(trimmer.Look()) << "it is all in use";
  burst.reset();
  ASSERT_GT(Resident(), before + 64 * kMiB) << "glibc gives it back by itself: the trimmer is of no use";
  EXPECT_TRUE(trimmer.Look());
  EXPECT_LT(Resident(), before + 32 * kMiB);
  EXPECT_FALSE(trimmer.Look()) << "nothing is left";
}

#endif

}  // namespace
}  // namespace parley

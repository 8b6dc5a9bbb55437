#include <gtest/gtest.h>
#include <jemalloc/jemalloc.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace parley {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1U << 20U;

std::size_t Resident() {
  std::size_t total = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

template <typename T>
T Setting(const char* name) {
  T value{};
  std::size_t size = sizeof(value);
  EXPECT_EQ(mallctl(name, &value, &size, nullptr, 0), 0) << name;
  return value;
}

TEST(HeapTest, JemallocHasOurSettings) {
  EXPECT_EQ(Setting<unsigned>("opt.narenas"), 1U);
  EXPECT_TRUE(Setting<bool>("background_thread"));
}

TEST(HeapTest, GivesBackWhatABurstLeftWhenNothingElseHappens) {
  ssize_t soon = 100;  // ms, instead of 10 s
  ASSERT_EQ(mallctl("arena.0.dirty_decay_ms", nullptr, nullptr, &soon, sizeof(soon)), 0);
  const std::size_t before = Resident();
  auto burst = std::make_unique<std::vector<std::string>>();
  for (int i = 0; i < 6400; ++i) burst->emplace_back(20000, 'x');
  const std::string pin(20000, 'x');  // above it all
  ASSERT_GT(Resident(), before + 100 * kMiB);
  burst.reset();
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (Resident() > before + 32 * kMiB && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(10ms);
  EXPECT_LT(Resident(), before + 32 * kMiB);
}

}  // namespace
}  // namespace parley

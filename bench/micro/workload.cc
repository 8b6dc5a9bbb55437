// Runs one workload so many times, for callgrind: parley-workload NAME TIMES; without arguments, lists them. Says for
// each how often it allocates, once everything has the room that it needs, in the run in the middle: a timer beside it or
// the next block of a queue is in few.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/micro/workloads.h"

namespace {

// Of this thread, while a workload does what counts.
thread_local bool counting = false;
unsigned long allocations = 0;

}  // namespace

// A debugger stops here (bench/allocations).
extern "C" __attribute__((noinline)) void Allocated() { ++allocations; }

// `operator new` of libstdc++, OpenSSL, nghttp2 and hiredis all come to these. glibc's own are behind them.
extern "C" {
void* __libc_malloc(std::size_t size);                      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);   // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, std::size_t size);        // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) {
  if (counting) Allocated();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  if (counting) Allocated();
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  if (counting) Allocated();
  return __libc_realloc(block, size);
}

// The part that is counted: callgrind is told to collect inside of it only.
__attribute__((noinline)) void CountedPart(const parley::bench::Workload& workload) { workload.once(); }
// After the last time: callgrind is told to write down what it has collected.
__attribute__((noinline)) void Counted() { asm volatile(""); }
}

namespace {

unsigned long Once(const parley::bench::Workload& workload) {
  allocations = 0;
  counting = true;
  CountedPart(workload);
  counting = false;
  return allocations;
}

// `times`: at least one.
void Count(const parley::bench::Workload& workload, long times) {
  constexpr long kWarmUp = 50;  // caches, pools, tables of rare growth
  for (long i = 0; i < kWarmUp; ++i) workload.Run(workload.once);
  std::vector<unsigned long> counts;
  for (long i = 0; i < times; ++i) workload.Run([&] { counts.push_back(Once(workload)); });
  Counted();
  const auto middle = counts.begin() + times / 2;
  std::nth_element(counts.begin(), middle, counts.end());
  std::printf("%s %lu\n", workload.name.c_str(), *middle);
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& workload : parley::bench::AllWorkloads()) {
    if (argc < 3) {
      std::puts(workload.name.c_str());
    } else if (argv[1] == std::string_view("all") || workload.name == argv[1]) {
      Count(workload, std::max(std::atol(argv[2]), 1L));
    }
  }
  return 0;
}

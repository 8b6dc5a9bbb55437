// Runs one workload so many times, for callgrind: parley-workload NAME TIMES; without arguments, lists them.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/micro/workloads.h"

// The part that is counted: callgrind is told to collect inside of it only.
extern "C" __attribute__((noinline)) void CountedPart(const parley::bench::Workload& workload, long times) {
  for (long i = 0; i < times; ++i) workload.once();
}

int main(int argc, char** argv) {
  constexpr long kWarmUp = 50;  // caches, pools, tables of rare growth
  for (const auto& workload : parley::bench::AllWorkloads()) {
    if (argc < 3) {
      std::puts(workload.name.c_str());
    } else if (argv[1] == std::string_view("all") || workload.name == argv[1]) {
      for (long i = 0; i < kWarmUp; ++i) workload.once();
      CountedPart(workload, std::atol(argv[2]));
    }
  }
  return 0;
}

// Times each workload with Google Benchmark: parley-microbench --benchmark_filter=scan
#include <benchmark/benchmark.h>

#include "bench/micro/workloads.h"

int main(int argc, char** argv) {
  for (const auto& workload : parley::bench::AllWorkloads()) {
    benchmark::RegisterBenchmark(workload.name.c_str(), [once = workload.once](benchmark::State& state) {
      for (auto turn : state) {
        static_cast<void>(turn);
        once();
      }
    });
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

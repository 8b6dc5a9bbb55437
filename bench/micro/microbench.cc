// Times each workload with Google Benchmark: parley-microbench --benchmark_filter=scan
#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/micro/workloads.h"

namespace {

using parley::bench::Workload;

void Time(benchmark::State& state, const Workload& workload) {
  for (auto turn : state) {
    static_cast<void>(turn);
    workload.once();
  }
}

// Not what is around it.
void TimeInside(benchmark::State& state, const Workload& workload) {
  using Clock = std::chrono::steady_clock;
  for (auto turn : state) {
    static_cast<void>(turn);
    workload.Run([&] {
      const auto begun = Clock::now();
      workload.once();
      state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begun).count());
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& workload : parley::bench::AllWorkloads()) {
    if (workload.around) {
      benchmark::RegisterBenchmark(workload.name.c_str(), TimeInside, workload)->UseManualTime();
    } else {
      benchmark::RegisterBenchmark(workload.name.c_str(), Time, workload);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

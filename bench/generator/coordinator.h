#pragma once

#include <string>
#include <vector>

#include "bench/generator/options.h"
#include "bench/generator/stats.h"
#include "bench/generator/usage.h"

namespace parley::bench {

struct Measured {
  std::string name;
  Usage before;  // before anybody connected
  Usage begin;   // when the measurement began
  Usage end;
  double hold_cpu_seconds = 0;
};

// A run: what all processes of load saw together, and what the server's processes used.
struct Outcome {
  Stats stats;
  std::vector<Measured> processes;
  double seconds = 0;
  double from = 0;  // when it began, in seconds of CLOCK_MONOTONIC: to pick a profiler's samples
  double hold_seconds = 0;
  double kernel_kib_before = 0;
  double kernel_kib_end = 0;
};

// Starts the processes of load and leads them through a run.
Outcome Conduct(const Options& options);

}  // namespace parley::bench

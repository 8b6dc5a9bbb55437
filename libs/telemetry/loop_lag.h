#pragma once

#include <chrono>

#include "libs/base/loop.h"
#include "libs/telemetry/metrics.h"

namespace parley::telemetry {

// parley_loop_lag_seconds: how late a timer of the loop fires, ten times a second; what every event on it waits.
class LoopLag {
 public:
  LoopLag(Loop& loop, Metrics& metrics);

 private:
  void Wait();

  Loop& loop_;
  prometheus::Histogram& lag_;
  std::chrono::steady_clock::time_point due_;
  Loop::Timer timer_;
};

}  // namespace parley::telemetry

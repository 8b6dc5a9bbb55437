#include "libs/telemetry/loop_lag.h"

namespace parley::telemetry {
namespace {

constexpr std::chrono::milliseconds kPeriod{100};

}  // namespace

LoopLag::LoopLag(Loop& loop, Metrics& metrics)
    : loop_(loop), lag_(metrics.Histogram("parley_loop_lag_seconds", "How late a timer of the event loop fires.")) {
  Wait();
}

void LoopLag::Wait() {
  due_ = std::chrono::steady_clock::now() + kPeriod;
  timer_ = loop_.After(kPeriod, [this] {
    lag_.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - due_).count());
    Wait();
  });
}

}  // namespace parley::telemetry

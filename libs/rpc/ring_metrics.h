#pragma once

#include "libs/telemetry/metrics.h"

namespace parley::rpc {

// Limits of a ring that were reached, beside those of its connections (Http2Metrics).
class RingMetrics {
 public:
  // `metrics`: nullptr for nowhere.
  explicit RingMetrics(telemetry::Metrics* metrics) {
    if (metrics == nullptr) return;
    late_ = &Limit(*metrics, "settle_timeout");
    many_ = &Limit(*metrics, "waiting");
  }
  // link.settle_timeout
  void SettledLate() const {
    if (late_ != nullptr) late_->Increment();
  }
  // link.max_waiting
  void TooManyWait() const {
    if (many_ != nullptr) many_->Increment();
  }

 private:
  static prometheus::Counter& Limit(telemetry::Metrics& metrics, const char* name) {
    return metrics.Counter("parley_rpc_limits_total", "A limit between services was reached", {{"limit", name}});
  }

  prometheus::Counter* late_ = nullptr;
  prometheus::Counter* many_ = nullptr;
};

}  // namespace parley::rpc

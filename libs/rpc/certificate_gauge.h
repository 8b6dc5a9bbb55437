#pragma once

#include "libs/base/loop.h"
#include "libs/rpc/security.h"
#include "libs/telemetry/metrics.h"

namespace parley::rpc {

// When this process's certificate for its peers expires, as a metric.
class CertificateGauge {
 public:
  CertificateGauge(Loop& loop, telemetry::Metrics& metrics, const MutualTls& tls);

 private:
  static void Measure(const std::string& file, prometheus::Gauge& gauge);

  Loop::Timer measuring_;
};

}  // namespace parley::rpc

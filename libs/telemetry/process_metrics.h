#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace parley::telemetry {

// The process's own figures under the names that all Prometheus clients use: process_cpu_seconds_total and so on.
class ProcessMetrics : public prometheus::Collectable {
 public:
  ProcessMetrics();
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  double start_time_;
};

}  // namespace parley::telemetry

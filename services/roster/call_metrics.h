#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "libs/telemetry/metrics.h"

namespace parley::roster {

// How long calls take and what comes of them, by call and outcome. Loop's thread only.
class CallMetrics {
 public:
  using Clock = std::chrono::steady_clock;
  // Metrics <prefix>_seconds{<label>} and <prefix>_total{<label>,outcome}, and <prefix>_under_way.
  CallMetrics(telemetry::Metrics& metrics, std::string prefix, std::string label, std::string what);

  void Started();
  // `problem`: the name of the proto's enum value; "PROBLEM_UNSPECIFIED" counts as "ok".
  void Finished(std::string_view call, std::string_view problem, Clock::time_point started);
  std::size_t under_way() const { return under_way_; }

 private:
  telemetry::Metrics& metrics_;
  const std::string prefix_;
  const std::string label_;
  const std::string what_;
  std::size_t under_way_ = 0;
  prometheus::Gauge& under_way_gauge_;
  std::map<std::string, prometheus::Histogram*, std::less<>> seconds_;
  std::map<std::string, prometheus::Counter*, std::less<>> outcomes_;  // by "call problem"
};

}  // namespace parley::roster

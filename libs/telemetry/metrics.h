#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>

namespace parley::telemetry {

class ProcessMetrics;

// The process's metrics. Make a component's metrics once, at construction, and keep the references: looking one up
// takes a lock. Names `parley_<service>_<what>[_<unit>][_total]`; labels from small fixed sets, never a JID.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  Metrics();
  prometheus::Counter& Counter(const std::string& name, const std::string& help, const Labels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // Buckets from 100 us to 10 s unless given.
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                                   prometheus::Histogram::BucketBoundaries buckets = {});
  // The text exposition format, with the process's own figures (CPU, memory, descriptors).
  std::string Text() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<ProcessMetrics> process_;
};

}  // namespace parley::telemetry

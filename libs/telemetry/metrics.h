#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace parley::telemetry {

class ProcessMetrics;

// Of what happens for each stanza: counted without an atomic operation, which would wait until all that was written
// before is in the cache. For one thread, that which also asks for the text.
class Tally {
 public:
  explicit Tally(std::function<void(double)> show) : show_(std::move(show)) {}
  void Add(double by = 1) { since_shown_ += by; }
  void Show() { show_(std::exchange(since_shown_, 0)); }

 private:
  std::function<void(double)> show_;
  double since_shown_ = 0;
};

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
  // Adds to it whenever the text is asked for.
  Tally& TallyOf(prometheus::Counter& counter);
  Tally& TallyOf(prometheus::Gauge& gauge);
  // The text exposition format, with the process's own figures (CPU, memory, descriptors).
  std::string Text() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<ProcessMetrics> process_;
  std::shared_ptr<std::deque<Tally>> tallies_;
};

}  // namespace parley::telemetry

#include "libs/telemetry/metrics.h"

#include <prometheus/text_serializer.h>

#include <iterator>
#include <utility>

#include "libs/base/version.h"
#include "libs/telemetry/process_metrics.h"

namespace parley::telemetry {
namespace {

// 100 us to 10 s, about three to a decade.
const prometheus::Histogram::BucketBoundaries kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};

}  // namespace

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      process_(std::make_shared<ProcessMetrics>()),
      tallies_(std::make_shared<std::deque<Tally>>()) {
  Gauge("parley_build_info", "Always 1; the labels say what runs.", {{"version", Version()}}).Set(1);
}

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help, const Labels& labels,
                                          prometheus::Histogram::BucketBoundaries buckets) {
  if (buckets.empty()) buckets = kSeconds;
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_).Add(labels, buckets);
}

Tally& Metrics::TallyOf(prometheus::Counter& counter) {
  return tallies_->emplace_back([&counter](double by) { counter.Increment(by); });
}

Tally& Metrics::TallyOf(prometheus::Gauge& gauge) {
  return tallies_->emplace_back([&gauge](double by) { gauge.Increment(by); });
}

std::string Metrics::Text() const {
  for (auto& tally : *tallies_) tally.Show();
  auto families = registry_->Collect();
  auto process = process_->Collect();
  families.insert(families.end(), std::make_move_iterator(process.begin()), std::make_move_iterator(process.end()));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace parley::telemetry

#include "libs/tracing/tracer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "libs/base/ids.h"
#include "libs/tracing/exporter.h"

namespace parley::tracing {
namespace {

std::uint64_t Threshold(double ratio) {
  if (ratio <= 0) return 0;
  if (ratio >= 1) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(std::ldexp(ratio, 64));
}

std::uint64_t Seed() { return StableHash(RandomId()) | 1; }

}  // namespace

Tracer::Tracer(const Options& options, const std::string& service, const std::string& instance,
               telemetry::Metrics& metrics)
    : state_(Seed()) {
  ExporterMetrics counters(metrics);
  if (options.endpoint.empty()) return;
  threshold_ = Threshold(options.sample_ratio);
  exporter_ = Exporter::Start(options, {service, instance}, counters);
  sink_ = exporter_;
}

Tracer::Tracer(double sample_ratio, std::shared_ptr<SpanSink> sink)
    : threshold_(Threshold(sample_ratio)), state_(Seed()), sink_(std::move(sink)) {}

Tracer::~Tracer() {
  if (exporter_) exporter_->Stop();
}

std::unique_ptr<Span> Tracer::Begin(std::string name) {
  return std::make_unique<Span>(sink_, Context::Root(), std::string(), std::move(name));
}

std::unique_ptr<Span> Tracer::Continue(std::string_view traceparent, std::string name) const {
  if (!sink_) return nullptr;
  const auto parent = Context::Parse(traceparent);
  if (!parent) return nullptr;
  return std::make_unique<Span>(sink_, parent->Child(), parent->span_id, std::move(name));
}

log::Field TraceId(std::string_view traceparent) {
  const auto context = Context::Parse(traceparent);
  return context ? log::Field("trace_id", context->trace_id) : log::Field("", "");
}

}  // namespace parley::tracing

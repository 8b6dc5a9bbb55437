#include "libs/tracing/exporter.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

#include "libs/base/log.h"

namespace parley::tracing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

prometheus::Counter& Outcome(telemetry::Metrics& metrics, const std::string& outcome) {
  return metrics.Counter("parley_tracing_spans_total", "Spans of traced stanzas, by what became of them",
                         {{"outcome", outcome}});
}

Endpoint ParseOrThrow(const std::string& url) {
  auto endpoint = Endpoint::Parse(url);
  if (!endpoint) throw std::runtime_error("\"" + url + "\" is no http URL");
  return *std::move(endpoint);
}

}  // namespace

ExporterMetrics::ExporterMetrics(telemetry::Metrics& metrics)
    : exported(Outcome(metrics, "exported")),
      queue_full(Outcome(metrics, "queue_full")),
      timed_out(Outcome(metrics, "timeout")),
      failed(Outcome(metrics, "failed")),
      rejected(Outcome(metrics, "rejected")),
      queued(metrics.Gauge("parley_tracing_queued_spans", "Spans that wait to be exported")),
      seconds(metrics.Histogram("parley_tracing_export_seconds", "Time of a request to the collector of traces")) {}

std::shared_ptr<Exporter> Exporter::Start(const Options& options, Resource resource, const ExporterMetrics& metrics) {
  auto exporter = std::make_shared<Exporter>(options, std::move(resource), metrics);
  std::thread([exporter] { exporter->Run(); }).detach();
  return exporter;
}

Exporter::Exporter(const Options& options, Resource resource, const ExporterMetrics& metrics)
    : options_(options), endpoint_(ParseOrThrow(options.endpoint)), resource_(std::move(resource)), metrics_(metrics) {}

// Wakes nobody for a single span: the thread looks every options.interval.
void Exporter::Push(SpanRecord span) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (queue_.size() >= options_.max_queue) return metrics_.queue_full.Increment();
  queue_.push_back(std::move(span));
  metrics_.queued.Set(static_cast<double>(queue_.size()));
  if (queue_.size() == options_.batch) wake_.notify_all();
}

void Exporter::Stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  deadline_ = Clock::now() + options_.stop_timeout;
  wake_.notify_all();
  wake_.wait_until(lock, deadline_, [this] { return finished_; });
  abandoned_ = true;
}

void Exporter::Run() {
  for (auto spans = Take(); !spans.empty(); spans = Take()) Export(spans);
  std::lock_guard lock(mutex_);
  finished_ = true;
  wake_.notify_all();
}

std::vector<SpanRecord> Exporter::Take() {
  std::unique_lock lock(mutex_);
  do {
    wake_.wait_for(lock, options_.interval, [this] { return stopping_ || queue_.size() >= options_.batch; });
  } while (queue_.empty() && !stopping_);
  if (abandoned_) return {};
  const auto count = std::min<std::size_t>(queue_.size(), options_.batch);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<SpanRecord> spans(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  metrics_.queued.Set(static_cast<double>(queue_.size()));
  return spans;
}

milliseconds Exporter::Patience() {
  std::lock_guard lock(mutex_);
  if (!stopping_) return options_.timeout;
  return std::min(options_.timeout, std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now()));
}

void Exporter::Export(const std::vector<SpanRecord>& spans) {
  const auto started = Clock::now();
  const auto answer = HttpPost(endpoint_, EncodeSpans(resource_, spans), Patience());
  const auto count = static_cast<double>(spans.size());
  const double rejected = answer ? std::min(count, static_cast<double>(RejectedSpans(*answer))) : 0;
  std::lock_guard lock(mutex_);
  if (abandoned_) return;
  Report(answer ? (rejected > 0 ? "it rejected spans" : "") : answer.error().message());
  metrics_.seconds.Observe(std::chrono::duration<double>(Clock::now() - started).count());
  if (answer) {
    metrics_.exported.Increment(count - rejected);
    metrics_.rejected.Increment(rejected);
  } else {
    auto& counter = answer.error().message() == kTimedOut ? metrics_.timed_out : metrics_.failed;
    counter.Increment(count);
  }
}

// Once, not for each request.
void Exporter::Report(const std::string& problem) {
  if (problem == std::exchange(problem_, problem)) return;
  if (problem.empty()) {
    log::Info("tracing_export_works", {{"endpoint", options_.endpoint}});
  } else {
    log::Warn("tracing_export_failed", {{"endpoint", options_.endpoint}, {"reason", problem}});
  }
}

}  // namespace parley::tracing

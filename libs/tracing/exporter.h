#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "libs/telemetry/metrics.h"
#include "libs/tracing/http_post.h"
#include "libs/tracing/options.h"
#include "libs/tracing/otlp.h"

namespace parley::tracing {

// They are there whether or not anything is traced.
struct ExporterMetrics {
  explicit ExporterMetrics(telemetry::Metrics& metrics);

  prometheus::Counter& exported;
  prometheus::Counter& queue_full;  // tracing.max_queue
  prometheus::Counter& timed_out;   // tracing.timeout
  prometheus::Counter& failed;
  prometheus::Counter& rejected;  // by the collector
  prometheus::Gauge& queued;
  prometheus::Histogram& seconds;
};

// Posts finished spans to a collector, on a thread of its own. What the collector does not take is lost, and counted:
// nothing waits for it, and nothing is sent twice.
class Exporter final : public SpanSink {
 public:
  // Throws std::runtime_error if `options.endpoint` is none.
  static std::shared_ptr<Exporter> Start(const Options& options, Resource resource, const ExporterMetrics& metrics);
  Exporter(const Options& options, Resource resource, const ExporterMetrics& metrics);

  void Push(SpanRecord span) override;
  // Sends what is left, but waits no longer than options.stop_timeout. From then on it does nothing, and touches no
  // metric and no log. (The thread is not joined: a look-up of a name may block for long.)
  void Stop();

 private:
  void Run();
  // Empty: stopped, and nothing is left.
  std::vector<SpanRecord> Take();
  void Export(const std::vector<SpanRecord>& spans);
  std::chrono::milliseconds Patience();
  void Report(const std::string& problem);

  const Options options_;
  const Endpoint endpoint_;
  const Resource resource_;

  std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::deque<SpanRecord> queue_;
  ExporterMetrics metrics_;
  std::string problem_;  // as it was last reported
  bool stopping_ = false;
  bool abandoned_ = false;
  bool finished_ = false;
  std::chrono::steady_clock::time_point deadline_;  // once it is stopping
};

}  // namespace parley::tracing

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/log.h"
#include "libs/telemetry/metrics.h"
#include "libs/tracing/options.h"
#include "libs/tracing/span.h"

// Follows some stanzas through all services: ARCHITECTURE.md, "Tracing".
namespace parley::tracing {

class Exporter;

// Of one process, on its loop's thread.
class Tracer {
 public:
  // `service`: "c2s", ...
  Tracer(const Options& options, const std::string& service, const std::string& instance, telemetry::Metrics& metrics);
  // For tests.
  Tracer(double sample_ratio, std::shared_ptr<SpanSink> sink);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Whether this stanza's way is to be traced. Asked for each one: costs nothing while nothing is traced.
  bool Sample() { return threshold_ != 0 && Next() <= threshold_; }
  // The root of a new trace.
  std::unique_ptr<Span> Begin(std::string name);
  // A span below the one that `traceparent` names. nullptr: we do not trace, or that is no name.
  std::unique_ptr<Span> Continue(std::string_view traceparent, std::string name) const;

 private:
  // Not for secrets: xorshift64.
  std::uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }

  std::uint64_t threshold_ = 0;  // 0: none
  std::uint64_t state_;
  std::shared_ptr<Exporter> exporter_;
  std::shared_ptr<SpanSink> sink_;  // nullptr: nothing is traced
};

// For a line of the log that concerns a stanza; nothing, if that is not traced.
log::Field TraceId(std::string_view traceparent);

}  // namespace parley::tracing

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/tracing/context.h"

namespace parley::tracing {

// What a finished span was.
struct SpanRecord {
  Context context;
  std::string parent;  // span id; empty: the root
  std::string name;
  std::int64_t start = 0;  // unix nanoseconds
  std::int64_t end = 0;
  std::vector<std::pair<std::string_view, std::string>> attributes;  // keys are literals
  std::optional<std::string> error;
};

// Where finished spans go. From any thread; never waits.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void Push(SpanRecord span) = 0;
};

// The part of one process in the way of a stanza, from its construction to its end. May outlive the tracer: then nobody
// hears of it.
class Span {
 public:
  Span(std::shared_ptr<SpanSink> sink, Context context, std::string parent, std::string name);
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  // Never an address of a user, nor what a stanza says. `key` is a literal; the last value counts.
  void Set(std::string_view key, std::string_view value);
  void Fail(std::string_view why);
  // For those who come after it.
  std::string traceparent() const { return record_.context.traceparent(); }

 private:
  std::shared_ptr<SpanSink> sink_;
  SpanRecord record_;
  std::chrono::steady_clock::time_point started_;
};

// What became of the stanza, as far as this process has to do with it.
inline constexpr std::string_view kOutcome = "parley.outcome";

}  // namespace parley::tracing

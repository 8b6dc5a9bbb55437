#include "libs/tracing/span.h"

#include <algorithm>

#include "libs/base/log.h"

namespace parley::tracing {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

std::int64_t UnixNanoseconds() {
  return duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string_view Attribute(const SpanRecord& span, std::string_view key) {
  for (const auto& [known, value] : span.attributes) {
    if (known == key) return value;
  }
  return {};
}

// By its trace id, what was logged of a stanza is found in the logs of all services.
void Log(const SpanRecord& span) {
  if (!log::Enabled(log::Level::kDebug)) return;
  log::Debug("span", {{"trace_id", span.context.trace_id},
                      {"span_id", span.context.span_id},
                      {"name", span.name},
                      {"session", Attribute(span, "parley.session")},
                      {"outcome", Attribute(span, kOutcome)},
                      {"error", span.error.value_or("")},
                      {"us", (span.end - span.start) / 1000}});
}

}  // namespace

Span::Span(std::shared_ptr<SpanSink> sink, Context context, std::string parent, std::string name)
    : sink_(std::move(sink)), started_(std::chrono::steady_clock::now()) {
  record_.context = std::move(context);
  record_.parent = std::move(parent);
  record_.name = std::move(name);
  record_.start = UnixNanoseconds();
}

// The wall clock may be set meanwhile; a span's length is not its business.
Span::~Span() {
  record_.end = record_.start + duration_cast<nanoseconds>(std::chrono::steady_clock::now() - started_).count();
  Log(record_);
  sink_->Push(std::move(record_));
}

void Span::Set(std::string_view key, std::string_view value) {
  auto same = [key](const auto& attribute) { return attribute.first == key; };
  const auto known = std::find_if(record_.attributes.begin(), record_.attributes.end(), same);
  if (known != record_.attributes.end()) {
    known->second = value;
  } else {
    record_.attributes.emplace_back(key, value);
  }
}

void Span::Fail(std::string_view why) { record_.error = why; }

}  // namespace parley::tracing

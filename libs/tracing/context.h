#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::tracing {

// Which trace a span belongs to, and which one it is (W3C Trace Context). Ids are lower-case hex, as everybody shows
// them.
struct Context {
  std::string trace_id;  // 32 digits
  std::string span_id;   // 16 digits

  static Context Root();
  // A new span of the same trace.
  Context Child() const;

  // Of a traceparent that says "sampled"; nullopt: it does not, or is malformed.
  static std::optional<Context> Parse(std::string_view traceparent);
  std::string traceparent() const;
};

}  // namespace parley::tracing

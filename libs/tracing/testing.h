#pragma once

#include <utility>
#include <vector>

#include "libs/tracing/span.h"

namespace parley::tracing {

// For tests: keeps what is finished.
struct MemorySink final : SpanSink {
  void Push(SpanRecord span) override { spans.push_back(std::move(span)); }
  std::vector<SpanRecord> spans;
};

}  // namespace parley::tracing

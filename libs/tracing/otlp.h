#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/tracing/span.h"

// OpenTelemetry's protocol in its JSON form (OTLP/HTTP, opentelemetry-proto 1.x).
namespace parley::tracing {

// Whose spans they are.
struct Resource {
  std::string service;   // "c2s", ...
  std::string instance;  // cluster.instance
};

// An ExportTraceServiceRequest.
std::string EncodeSpans(const Resource& resource, const std::vector<SpanRecord>& spans);
// How many spans an ExportTraceServiceResponse says were not taken. What cannot be read says nothing.
std::uint64_t RejectedSpans(const std::string& response);

}  // namespace parley::tracing

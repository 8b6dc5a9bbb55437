#include "libs/tracing/otlp.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "libs/base/version.h"

namespace parley::tracing {
namespace {

using nlohmann::json;

constexpr int kServer = 2;  // SpanKind: each of our spans is the work that another process gave us
constexpr int kError = 2;   // StatusCode

json Attribute(std::string_view key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

// Ids are hex and 64-bit numbers are text: OTLP's JSON is not proto3's in the one, and is in the other.
json Encode(const SpanRecord& span) {
  json attributes = json::array();
  for (const auto& [key, value] : span.attributes) attributes.push_back(Attribute(key, value));
  json encoded{{"traceId", span.context.trace_id},
               {"spanId", span.context.span_id},
               {"name", span.name},
               {"kind", kServer},
               {"startTimeUnixNano", std::to_string(span.start)},
               {"endTimeUnixNano", std::to_string(span.end)},
               {"attributes", std::move(attributes)}};
  if (!span.parent.empty()) encoded["parentSpanId"] = span.parent;
  if (span.error) encoded["status"] = {{"code", kError}, {"message", *span.error}};
  return encoded;
}

}  // namespace

std::string EncodeSpans(const Resource& resource, const std::vector<SpanRecord>& spans) {
  json request;
  json& of_us = request["resourceSpans"][0];
  of_us["resource"]["attributes"] = {Attribute("service.name", "parley-" + resource.service),
                                     Attribute("service.instance.id", resource.instance),
                                     Attribute("service.version", Version())};
  json& scope = of_us["scopeSpans"][0];
  scope["scope"] = {{"name", "parley"}, {"version", Version()}};
  json& encoded = scope["spans"] = json::array();
  for (const auto& span : spans) encoded.push_back(Encode(span));
  return request.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::uint64_t RejectedSpans(const std::string& response) {
  const json answer = json::parse(response, nullptr, false);
  if (!answer.is_object()) return 0;
  const auto partial = answer.find("partialSuccess");
  if (partial == answer.end() || !partial->is_object()) return 0;
  const auto rejected = partial->find("rejectedSpans");
  if (rejected == partial->end()) return 0;
  if (rejected->is_number_unsigned()) return rejected->get<std::uint64_t>();
  std::uint64_t count = 0;
  if (!rejected->is_string()) return 0;
  const auto& text = rejected->get_ref<const std::string&>();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() ? count : 0;
}

}  // namespace parley::tracing

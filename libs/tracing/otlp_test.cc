#include "libs/tracing/otlp.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace parley::tracing {
namespace {

using nlohmann::json;

SpanRecord MakeSpan() {
  SpanRecord span;
  span.context = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"};
  span.parent = "00f067aa0ba902b7";
  span.name = "route message";
  span.start = 1'700'000'000'123'456'789;
  span.end = 1'700'000'000'123'999'999;
  span.attributes = {{"parley.host", "example.org"}};
  return span;
}

json Encoded(const std::vector<SpanRecord>& spans) { return json::parse(EncodeSpans({"router", "router-1"}, spans)); }

json FirstSpan(const SpanRecord& span) {
  return Encoded({span}).at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
}

TEST(OtlpTest, ASpanIsAsTheSpecificationHasIt) {
  // Ids in hex, 64-bit numbers as text, enums as numbers.
  const json expected = json::parse(R"({
    "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "parentSpanId": "00f067aa0ba902b7",
    "name": "route message", "kind": 2,
    "startTimeUnixNano": "1700000000123456789", "endTimeUnixNano": "1700000000123999999",
    "attributes": [{"key": "parley.host", "value": {"stringValue": "example.org"}}]})");
  EXPECT_EQ(FirstSpan(MakeSpan()), expected);
}

TEST(OtlpTest, TheRootHasNoParent) {
  SpanRecord span = MakeSpan();
  span.parent.clear();
  EXPECT_FALSE(FirstSpan(span).contains("parentSpanId"));
}

TEST(OtlpTest, AnErrorIsTheStatus) {
  SpanRecord span = MakeSpan();
  span.error = "service-unavailable";
  EXPECT_EQ(FirstSpan(span).at("status"), json::parse(R"({"code": 2, "message": "service-unavailable"})"));
}

TEST(OtlpTest, TheResourceSaysWhoWeAre) {
  const json request = Encoded({MakeSpan(), MakeSpan()});
  ASSERT_EQ(request.at("resourceSpans").size(), 1u);
  const json& of_us = request.at("resourceSpans").at(0);
  std::map<std::string, std::string> attributes;
  for (const json& each : of_us.at("resource").at("attributes")) {
    attributes[each.at("key")] = each.at("value").at("stringValue");
  }
  EXPECT_EQ(attributes["service.name"], "parley-router");
  EXPECT_EQ(attributes["service.instance.id"], "router-1");
  EXPECT_EQ(attributes.count("service.version"), 1u);
  EXPECT_EQ(of_us.at("scopeSpans").at(0).at("spans").size(), 2u);
}

TEST(OtlpTest, WhatIsNoUtf8DoesNoHarm) {
  SpanRecord span = MakeSpan();
  span.error = "\xff\"\n";
  EXPECT_EQ(FirstSpan(span).at("status").at("message"), "\uFFFD\"\n");
}

TEST(OtlpTest, ReadsHowManyWereRejected) {
  EXPECT_EQ(RejectedSpans(""), 0u);
  EXPECT_EQ(RejectedSpans("{}"), 0u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{}})"), 0u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}})"), 3u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":4}})"), 4u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":"-3"}})"), 0u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":[]}})"), 0u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":7})"), 0u);
  EXPECT_EQ(RejectedSpans("[1]"), 0u);
  EXPECT_EQ(RejectedSpans("\x08\x01"), 0u);
}

}  // namespace
}  // namespace parley::tracing

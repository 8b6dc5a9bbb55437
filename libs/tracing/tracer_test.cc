#include "libs/tracing/tracer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/tracing/testing.h"

namespace parley::tracing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

int SampledOf(double ratio, int count) {
  Tracer tracer(ratio, std::make_shared<MemorySink>());
  int sampled = 0;
  for (int i = 0; i < count; ++i) sampled += tracer.Sample() ? 1 : 0;
  return sampled;
}

TEST(TracerTest, SamplesNoneOrAllExactly) {
  EXPECT_EQ(SampledOf(0, 1000), 0);
  EXPECT_EQ(SampledOf(1, 1000), 1000);
}

TEST(TracerTest, SamplesAShare) {
  // More than ten standard deviations to each side.
  EXPECT_NEAR(SampledOf(0.25, 40000), 10000, 1000);
  EXPECT_NEAR(SampledOf(0.001, 1'000'000), 1000, 350);
}

TEST(TracerTest, WithoutAnEndpointNothingIsTraced) {
  telemetry::Metrics metrics;
  Options options;
  options.sample_ratio = 1;
  Tracer tracer(options, "c2s", "c2s-1", metrics);
  EXPECT_FALSE(tracer.Sample());
  EXPECT_EQ(tracer.Continue(Context::Root().traceparent(), "route"), nullptr);
  // Who looks for it finds it.
  EXPECT_THAT(metrics.Text(), HasSubstr("parley_tracing_spans_total{outcome=\"exported\"} 0"));
}

TEST(TracerTest, SpansNameTheirParents) {
  const auto sink = std::make_shared<MemorySink>();
  Tracer tracer(1, sink);
  {
    const auto root = tracer.Begin("receive message");
    const auto child = tracer.Continue(root->traceparent(), "route message");
    tracer.Continue(child->traceparent(), "deliver message");
  }
  ASSERT_EQ(sink->spans.size(), 3u);
  const auto &deliver = sink->spans[0], &route = sink->spans[1], &receive = sink->spans[2];
  EXPECT_EQ(deliver.name, "deliver message");
  EXPECT_EQ(receive.parent, "");
  EXPECT_EQ(route.parent, receive.context.span_id);
  EXPECT_EQ(deliver.parent, route.context.span_id);
  EXPECT_EQ(deliver.context.trace_id, receive.context.trace_id);
  EXPECT_LE(receive.start, route.start);
  EXPECT_LE(route.start, route.end);
}

TEST(TracerTest, WhatIsNoTraceparentIsNotContinued) {
  Tracer tracer(1, std::make_shared<MemorySink>());
  EXPECT_EQ(tracer.Continue("", "route"), nullptr);
  EXPECT_EQ(tracer.Continue("00-nonsense", "route"), nullptr);
}

TEST(TracerTest, TheLastValueOfAnAttributeCounts) {
  const auto sink = std::make_shared<MemorySink>();
  Tracer tracer(1, sink);
  auto span = tracer.Begin("route message");
  span->Set(kOutcome, "delivered");
  span->Set("parley.host", "example.org");
  span->Set(kOutcome, "stored");
  span->Fail("why");
  span.reset();
  EXPECT_THAT(sink->spans.at(0).attributes, ElementsAre(Pair(kOutcome, "stored"), Pair("parley.host", "example.org")));
  EXPECT_EQ(sink->spans.at(0).error, "why");
}

TEST(TracerTest, ASpanMayOutliveTheTracer) {
  telemetry::Metrics metrics;
  Options options;
  options.endpoint = "http://127.0.0.1:1";
  options.sample_ratio = 1;
  std::unique_ptr<Span> span;
  {
    Tracer tracer(options, "c2s", "c2s-1", metrics);
    ASSERT_TRUE(tracer.Sample());
    span = tracer.Begin("receive message");
  }
  span.reset();
}

TEST(TraceIdTest, IsLoggedForWhatIsTracedOnly) {
  const Context context = Context::Root();
  const log::Field field = TraceId(context.traceparent());
  EXPECT_EQ(field.key, "trace_id");
  EXPECT_EQ(field.value, context.trace_id);
  EXPECT_EQ(TraceId("").key, "");
}

}  // namespace
}  // namespace parley::tracing

// Which stanzas of a session are traced (ARCHITECTURE.md, "Tracing").
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "services/c2s/testing/session_test.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;

TEST_F(SessionTest, TracesNothingUnlessTold) {
  Client client(edge_.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrival(0).trace(), "");
}

TEST(TracedSessionTest, EachSampledStanzaIsATraceThatTheEdgeNamesAndExportsWithoutWaiting) {
  EdgeHarness edge([](config::Config& config) {
    config.tracing.endpoint = "http://127.0.0.1:1";  // nobody is there
    config.tracing.sample_ratio = 1;
    config.tracing.interval = std::chrono::milliseconds(10);
  });
  Client client(edge.port());
  client.Start();
  for (int i = 0; i < 2; ++i) client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  std::set<std::string> traces;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto context = tracing::Context::Parse(edge.OnLoop([&] { return edge.router().got[i].envelope.trace(); }));
    ASSERT_TRUE(context);
    traces.insert(context->trace_id);
  }
  EXPECT_EQ(traces.size(), 2u);
  EXPECT_TRUE(edge.Eventually([&] { return edge.Metric("parley_tracing_spans_total{outcome=\"failed\"}") == 2; }));
}

// What waits for order keeps its number, its receipt and its trace.
TEST(TracedSessionTest, WhatWaitsForOrderIsTracedFromItsArrival) {
  EdgeHarness edge([](config::Config& config) {
    config.tracing.endpoint = "http://127.0.0.1:1";
    config.tracing.sample_ratio = 1;
    config.tracing.interval = std::chrono::milliseconds(10);
  });
  Client client(edge.port());
  client.Start();
  edge.OnLoop([&] { edge.router().hold = true; });
  client.Send("<presence/>");
  client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  edge.OnLoop([&] {
    edge.router().hold = false;
    edge.router().Acknowledge(0);
  });
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 2; }));
  const Envelope message = edge.OnLoop([&] { return edge.router().got[1].envelope; });
  EXPECT_EQ(message.kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(message.origin_seq(), 2u);
  EXPECT_TRUE(tracing::Context::Parse(message.trace()));
  EXPECT_TRUE(edge.Eventually([&] { return edge.Metric("parley_tracing_spans_total{outcome=\"failed\"}") == 2; }));
}

}  // namespace
}  // namespace parley::c2s::testing

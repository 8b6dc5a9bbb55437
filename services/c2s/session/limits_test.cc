// What a session may do, and what happens to whoever does more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "services/c2s/testing/session_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(SessionTest, ReadsNoMoreThanTheRoutersTake) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unacknowledged = 10; });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 100; ++i) all += kToJuliet;
  client.Send(all);
  for (std::size_t taken = 0; taken < 100; taken += 10) {
    ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == taken + 10; }));
    edge.OnLoop([&] {
      for (std::size_t i = taken; i < taken + 10; ++i) edge.router().Acknowledge(i);
    });
  }
}

TEST_F(SessionTest, ReadsNoMorePresencesThanAreSpread) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unacknowledged_presences = 2; });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 6; ++i) all += "<presence/>";
  client.Send(all);
  for (std::size_t taken = 0; taken < 6; taken += 2) {
    ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == taken + 2; }));
    edge.OnLoop([&] {
      for (std::size_t i = taken; i < taken + 2; ++i) edge.router().Acknowledge(i);
    });
  }
}

TEST_F(SessionTest, RefusesPresenceThatIsTooLarge) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_presence_bytes = 10000; });
  Client client(edge.port());
  client.Start();
  const std::string status = "<status>" + std::string(10000, 's') + "</status>";
  client.Send("<presence id='large'>" + status + "</presence>");
  EXPECT_THAT(client.Until("</presence>"), AllOf(HasSubstr("type='error' id='large'"), HasSubstr("<not-acceptable")));
  client.Send("<presence type='error' to='juliet@example.org'>" + status + "</presence><presence id='small'/>");
  ASSERT_TRUE(edge.Eventually([&] { return !edge.router().got.empty(); }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().got[0].envelope.id(); }), "small");
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"presence_size\"}"), 2);
}

TEST_F(SessionTest, SlowsDownWhoeverSendsTooFast) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.stanzas_per_second = 100;
    config.c2s.stanzas_burst = 10;
  });
  Client client(edge.port());
  client.Start();
  const auto start = std::chrono::steady_clock::now();
  std::string all;
  for (int i = 0; i < 60; ++i) all += kToJuliet;
  client.Send(all);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 60; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(400));
  EXPECT_GE(edge.Metric("parley_c2s_limits_total{limit=\"stanza_rate\"}"), 1);
}

TEST_F(SessionTest, EndsWhoeverDoesNotRead) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.max_outbound_bytes = 1 << 20;
    config.c2s.slow_reader_timeout = std::chrono::milliseconds(300);
    config.c2s.close_timeout = std::chrono::milliseconds(100);
  });
  Client client(edge.port());
  client.Start();
  const std::string session = edge.OnLoop([&] { return edge.router().asks.at(0).bind().session(); });
  const std::string big = "<message><body>" + std::string(200000, 'x') + "</body></message>";
  edge.OnLoop([&] {
    for (int i = 0; i < 100; ++i) edge.router().Deliver(session, big);
  });
  ASSERT_TRUE(edge.Eventually([&] { return !edge.router().refused.empty(); }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().refused.front().second; }), link::v1::REFUSAL_REASON_OVERLOADED);
  EXPECT_TRUE(edge.Eventually([&] { return !edge.router().got.empty(); }));
  EXPECT_TRUE(edge.OnLoop([&] { return edge.router().got.back().envelope.has_session_ended(); }));
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"slow_reader\"}"), 1);
}

// What does not fit stays stored, and would come behind it.
TEST_F(SessionTest, WhatIsStoredBehindWhatDoesNotFitIsRefusedToo) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_outbound_bytes = 1 << 20; });
  Client client(edge.port());
  client.Start();
  const auto deliver = [&](const std::string& stanza, std::uint32_t place) {
    edge.OnLoop([&] {
      const std::string session = edge.router().asks.at(0).bind().session();
      edge.router().Deliver(session, stanza, [place](link::v1::Envelope& envelope) {
        envelope.set_kept(true);
        envelope.set_batch_place(place);
      });
    });
  };
  deliver("<message id='1'/>", 1);
  deliver("<message><body>" + std::string(2 << 20, 'x') + "</body></message>", 2);
  deliver("<message id='3'/>", 3);
  deliver("<message id='4'/>", 4);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().refused.size() == 3; }));
  deliver("<message id='5'/>", 1);
  deliver("<message id='6'/>", 2);
  EXPECT_EQ(client.Until("<message id='6'/>"), "<message id='1'/><message id='5'/><message id='6'/>");
}

TEST_F(SessionTest, OneWhoAsksWithoutReadingIsNotRead) {
  Client client(edge_.port());
  client.Start();
  const std::string ask =
      "<iq type='set' id='" + std::string(8000, 'i') + "'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>";
  std::string all;
  for (int i = 0; i < 1000; ++i) all += ask;
  std::thread sender([&] { client.connection().Send(all); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_limits_total{limit=\"unread\"}") > 0; }));
  Client other(edge_.port());
  other.Start("juliet", "art thou");
  for (int i = 0; i < 1000; ++i) client.Until(std::string(8000, 'i'));
  sender.join();
}

}  // namespace
}  // namespace parley::c2s::testing

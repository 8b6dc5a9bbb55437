// RFC 6120 10.1: what waits for what, also at the end.
#include <gtest/gtest.h>

#include <chrono>

#include "services/c2s/testing/session_test.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;

TEST_F(SessionTest, PresenceWaitsForMessages) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  Client other(edge_.port());
  other.Start("juliet", "art thou");  // time for whatever could come too early
  EXPECT_EQ(Arrived(), 1u);
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).kind(), link::v1::KIND_PRESENCE);
  edge_.OnLoop([this] { edge_.router().Acknowledge(1); });
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_EQ(Arrival(2).kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(Arrival(2).origin_seq(), 3u);
}

TEST_F(SessionTest, RequestsToTheServerNeedNotWait) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<iq to='example.org' id='1' type='get'><q xmlns='a:b'/></iq>" + kToJuliet);
  EXPECT_TRUE(AwaitArrived(3));
}

TEST_F(SessionTest, WaitsNoLongerForOrderThanAllowed) {
  EdgeHarness edge([](config::Config& config) { config.c2s.order_timeout = std::chrono::milliseconds(100); });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 3; }));
  EXPECT_EQ(edge.OnLoop([&] { return edge.router().got.at(1).envelope.kind(); }), link::v1::KIND_PRESENCE);
}

TEST_F(SessionTest, TheEndWaitsForWhatWasSent) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "</stream:stream>");
  client.Rest();
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrived(), 1u);
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_TRUE(Arrival(1).has_session_ended());
}

TEST_F(SessionTest, WhatWasSaidBeforeTheConnectionWentIsTaken) {
  for (const std::string farewell : {"</stream:stream>", ""}) {
    const std::size_t before = Arrived();
    edge_.OnLoop([this] { edge_.router().hold = true; });
    Client client(edge_.port());
    client.Start();
    client.Send(std::string(kToJuliet) + "<presence/>" + kToJuliet + "<presence/>" + kToJuliet + farewell);
    client.connection().Close();
    ASSERT_TRUE(AwaitArrived(before + 1));
    edge_.OnLoop([&] {
      edge_.router().hold = false;
      edge_.router().Acknowledge(before);
    });
    ASSERT_TRUE(AwaitArrived(before + 6));
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(Arrival(before + i).kind(), i % 2 == 0 ? link::v1::KIND_MESSAGE : link::v1::KIND_PRESENCE) << i;
    }
    EXPECT_EQ(Arrival(before + 5).session_ended().reason(), farewell.empty() ? "lost" : "closed");
  }
  bool drained = false;  // no stream is left behind
  edge_.OnLoop([&] { edge_.edge().Drain([&] { drained = true; }); });
  EXPECT_TRUE(edge_.Eventually([&] { return drained; }));
}

// RFC 6120 4.4: the client has said all, but has not heard all.
TEST_F(SessionTest, AnswersToWhatWasSaidComeBeforeTheStreamIsClosed) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq></stream:stream>");
  ASSERT_TRUE(AwaitArrived(1));
  Deliver(SessionId(), "<iq id='1' type='result'/>", [](Envelope& envelope) { envelope.set_answers(1); });
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 1; }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  EXPECT_EQ(client.Rest(), "<iq id='1' type='result'/></stream:stream>");
  EXPECT_TRUE(client.connection().ended_cleanly());
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).session_ended().reason(), "closed");
}

TEST_F(SessionTest, WhoLeavesAndBreaksOffHasLeft) {
  edge_.OnLoop([this] { edge_.router().hold = true; });
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "</stream:stream>");
  ASSERT_TRUE(AwaitArrived(1));
  client.connection().Reset();
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Arrival(1).session_ended().reason(), "closed");
}

}  // namespace
}  // namespace parley::c2s::testing

// No router, a busy one, and one that has lost the session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "services/c2s/testing/session_test.h"

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;
using ::testing::HasSubstr;

TEST_F(SessionTest, WithoutRoutersAPingIsAnsweredWithAnError) {
  EdgeHarness edge([](config::Config& config) { config.c2s.no_router_timeout = std::chrono::milliseconds(200); });
  Client client(edge.port());
  client.Start();
  edge.StopRouter();
  ASSERT_TRUE(edge.Eventually([&] { return !edge.edge().ready(); }));
  client.Send("<iq id='1' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
}

TEST_F(SessionTest, WithoutRoutersStanzasAreAnsweredWithErrors) {
  EdgeHarness edge([](config::Config& config) { config.c2s.no_router_timeout = std::chrono::milliseconds(200); });
  Client client(edge.port());
  client.Start();
  edge.StopRouter();
  for (int i = 0; i < 20; ++i) client.Send(kToJuliet);
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  for (int i = 0; i < 20; ++i) EXPECT_THAT(client.Until("</message>"), HasSubstr("<remote-server-timeout"));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
}

TEST_F(SessionTest, WhatABusyRouterRefusesIsAnswered) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_OVERLOADED; });
  client.Send(kToJuliet);
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<resource-constraint"));
}

TEST_F(SessionTest, ASessionThatTheRoutersLostIsPutBack) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_NO_SESSION; });
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.back().has_restore(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().asks.back().restore().record().session(); }), SessionId());
  // The second time is the last.
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<remote-server-timeout"));
  EXPECT_TRUE(Arrival(1).repeat());
}

TEST_F(SessionTest, WhatIsPutBackIsWhatTheRouterTook) {
  Client client(edge_.port());
  client.Start();
  client.Send("<presence id='taken'><priority>5</priority></presence>");
  for (const std::string to : {"paris@example.org", "nurse@example.org/x", "tybalt@example.org", "example.org"}) {
    client.Send("<presence to='" + to + "'/>");
  }
  client.Send("<presence to='tybalt@example.org' type='unavailable'/>");
  ASSERT_TRUE(AwaitArrived(6));
  const auto refuse = [&](std::uint64_t number, const std::string& from) {
    Deliver(SessionId(), "<presence type='error'/>", [&](Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_PRESENCE);
      envelope.set_type(link::v1::TYPE_ERROR);
      envelope.set_answers(number);
      envelope.set_from(from);
    });
    client.Until("<presence type='error'/>");
  };
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<presence id='bad'><priority>x</priority></presence><presence to='paris@example.org'/>");
  ASSERT_TRUE(AwaitArrived(8));
  refuse(7, "");
  refuse(8, "paris@example.org");
  edge_.OnLoop([this] {
    edge_.router().hold = false;
    edge_.router().Acknowledge(6);
    edge_.router().Acknowledge(7);
    edge_.router().refuse = link::v1::REFUSAL_REASON_NO_SESSION;
  });
  client.Send("<iq id='1' type='get' to='example.org'><q xmlns='a:b'/></iq>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.back().has_restore(); }));
  const auto record = edge_.OnLoop([this] { return edge_.router().asks.back().restore().record(); });
  EXPECT_THAT(record.presence(), HasSubstr("id='taken'"));
  EXPECT_EQ(record.priority(), 5);
  EXPECT_THAT(record.directed(), ::testing::ElementsAre("nurse@example.org/x"));
}

TEST_F(SessionTest, PresenceThatABusyRouterRefusesIsSentAgain) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_OVERLOADED; });
  client.Send("<presence id='old'/><presence id='new'/>");
  ASSERT_TRUE(AwaitArrived(2));
  edge_.OnLoop([this] { edge_.router().refuse = link::v1::REFUSAL_REASON_UNSPECIFIED; });
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_EQ(Arrival(2).id(), "new");
}

}  // namespace
}  // namespace parley::c2s::testing

// Who waits for what a session sent to be acknowledged, and who does not: the router's end of the link acknowledges
// what nobody waits for only with something else (EdgeHarness).
#include <gtest/gtest.h>

#include <chrono>

#include "services/c2s/testing/session_test.h"
#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

constexpr char kPing[] = "<iq to='juliet@example.org/x' id='1' type='get'><ping xmlns='urn:xmpp:ping'/></iq>";

class UnhurriedTest : public SmTest {
 protected:
  void Hold() {
    edge_.OnLoop([this] { edge_.router().hold = true; });
  }
  bool IsUnhurried(std::size_t index) {
    return edge_.OnLoop([&] { return edge_.router().got.at(index).receipt.unhurried(); });
  }
  std::size_t Unacknowledged() {
    return edge_.OnLoop([this] { return edge_.edge().context().routers.unacknowledged(); });
  }
};

TEST_F(UnhurriedTest, NobodyWaitsForAMessage) {
  Hold();
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kPing) + kToJuliet + "<message id='own'/>");
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_FALSE(IsUnhurried(0));
  EXPECT_TRUE(IsUnhurried(1));
  EXPECT_TRUE(IsUnhurried(2));
}

TEST_F(UnhurriedTest, AClientWithStreamManagementMayAsk) {
  Hold();
  Client client(edge_.port());
  Enable(client);
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_FALSE(IsUnhurried(0));
}

TEST_F(UnhurriedTest, ATraceShowsHowLongAStanzaTook) {
  EdgeHarness edge([](config::Config& config) {
    config.tracing.endpoint = "http://127.0.0.1:1";  // nobody is there
    config.tracing.sample_ratio = 1;
  });
  edge.OnLoop([&] { edge.router().hold = true; });
  Client client(edge.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  EXPECT_FALSE(edge.OnLoop([&] { return edge.router().got[0].receipt.unhurried(); }));
}

TEST_F(UnhurriedTest, PresenceBehindAMessageHurriesIt) {
  Client client(edge_.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  client.Send(std::string("<presence/>") + kToJuliet + "<presence/>");
  ASSERT_TRUE(AwaitArrived(4));
  EXPECT_EQ(edge_.Metric("parley_c2s_limits_total{limit=\"order\"}"), 0);
}

TEST_F(UnhurriedTest, HurryingIsOverWhenAllIsSettled) {
  Client client(edge_.port());
  client.Start();
  client.Send(std::string(kToJuliet) + "<presence/>");
  ASSERT_TRUE(AwaitArrived(2));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.edge().context().routers.unacknowledged() == 0; }));
  Hold();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_TRUE(IsUnhurried(2));
}

TEST_F(UnhurriedTest, TheEndHurries) {
  EdgeHarness edge([](config::Config& config) { config.c2s.close_timeout = std::chrono::minutes(1); });
  Client client(edge.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  client.Send("</stream:stream>");
  EXPECT_NE(client.Rest().find("</stream:stream>"), std::string::npos);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.back().envelope.has_session_ended(); }));
}

TEST_F(UnhurriedTest, SoDoesAConnectionThatIsGone) {
  {
    Client client(edge_.port());
    client.Start();
    client.Send(kToJuliet);
    ASSERT_TRUE(AwaitArrived(1));
  }
  ASSERT_TRUE(AwaitEnd("lost"));
  EXPECT_EQ(edge_.Metric("parley_c2s_limits_total{limit=\"order\"}"), 0);
}

TEST_F(UnhurriedTest, StreamManagementHurriesWhatWasSentBefore) {
  Hold();
  Client client(edge_.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  client.Send(kEnable);
  client.Until("/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().got[0].receipt.unhurried(); }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.edge().context().routers.unacknowledged() == 0; }));
}

TEST_F(UnhurriedTest, WhoSendsMuchHurries) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unacknowledged = 10; });
  Client client(edge.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 100; ++i) all += kToJuliet;
  client.Send(all);
  EXPECT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 100; }));
}

TEST_F(UnhurriedTest, AnEdgeThatStopsHurries) {
  Client client(edge_.port());
  client.Start();
  client.Send(kToJuliet);
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Unacknowledged(), 1u);
  bool done = false;
  edge_.OnLoop([&] { edge_.edge().Drain([&] { done = true; }); });
  EXPECT_TRUE(edge_.Eventually([&] { return done; }));
}

}  // namespace
}  // namespace parley::c2s::testing

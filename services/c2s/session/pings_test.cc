// XEP-0199: pings by the edge, and to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "services/c2s/testing/session_test.h"
#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(SessionTest, PingsTheSilentAndEndsTheDead) {
  EdgeHarness edge([](config::Config& config) {
    config.c2s.idle_ping = std::chrono::milliseconds(200);
    config.c2s.idle_timeout = std::chrono::milliseconds(300);
  });
  Client client(edge.port());
  client.Start();
  const std::string ping = client.Until("</iq>");
  EXPECT_THAT(ping, HasSubstr("<ping xmlns='urn:xmpp:ping'/>"));
  EXPECT_THAT(ping, HasSubstr("type='get'"));
  client.Send("<iq type='result' id='c2s-are-you-there' to='example.org'/>");
  client.Until("<ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "connection-timeout");
  // The answer went no further.
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == 1; }));
  EXPECT_TRUE(edge.OnLoop([&] { return edge.router().got[0].envelope.has_session_ended(); }));
}

class SilentTest : public SmTest {
 protected:
  SilentTest()
      : SmTest([](config::Config& config) {
          config.c2s.idle_ping = std::chrono::milliseconds(200);
          config.c2s.idle_timeout = std::chrono::seconds(2);
        }) {}
};

// XEP-0198 section 4 instead of XEP-0199.
TEST_F(SilentTest, WithStreamManagementTheyAreAskedToAcknowledge) {
  Client client(edge_.port());
  Enable(client);
  EXPECT_EQ(client.Until(kAsk), kAsk);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='0'/>");
  EXPECT_EQ(client.Until(kAsk), kAsk);
  EXPECT_EQ(StreamErrorIn(client.Rest()), "connection-timeout");
}

// XEP-0199 4.2
TEST_F(SessionTest, PingsToItsServerAreAnsweredByTheEdge) {
  Client client(edge_.port());
  client.Start();
  client.Send("<iq id='p' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  const std::string pong = client.Until("/>");
  for (const auto part : {"type='result'", "id='p'", "from='example.org'", "to='romeo@example.org/orchard'"}) {
    EXPECT_THAT(pong, HasSubstr(part));
  }
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.empty(); }));
}

TEST_F(SessionTest, PingsElsewhereAreTheRouters) {
  Client client(edge_.port());
  client.Start();
  const std::vector<std::string> pings = {
      "<iq id='0' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='1' type='get' to='romeo@example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='2' type='get' to='second.example'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='3' type='get' to='sub.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='4' type='get' to='example.org/x'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='5' type='set' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
      "<iq id='6' type='get' to='example.org'><ping xmlns='urn:example:other'/></iq>",
      "<iq id='7' type='get' to='example.org'><pong xmlns='urn:xmpp:ping'/></iq>",
  };
  const auto before = Arrived();
  for (const auto& ping : pings) client.Send(ping);
  ASSERT_TRUE(AwaitArrived(before + pings.size()));
  for (std::size_t i = 0; i < pings.size(); ++i) EXPECT_EQ(Arrival(before + i).id(), std::to_string(i));
}

// Its answer comes behind what the client's earlier stanzas bring about, and tells that they are done with.
TEST_F(SessionTest, APingIsTheRoutersWhileSomethingIsNotSettled) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold = true; });
  const auto before = Arrived();
  const std::string ping = "<iq id='p' type='get' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>";
  client.Send(kToJuliet + ping);
  ASSERT_TRUE(AwaitArrived(before + 2));
  EXPECT_EQ(Arrival(before + 1).payload_name(), "ping");
  edge_.OnLoop([&] {
    edge_.router().hold = false;
    for (auto index : {before, before + 1}) edge_.router().Acknowledge(index);
  });
  // As soon as the edge has heard that.
  const auto answered = [this] { return edge_.Metric("parley_c2s_pings_answered_total") == 1; };
  for (auto sent = before + 2; !edge_.OnLoop(answered); ++sent) {
    client.Send(ping);
    ASSERT_TRUE(edge_.Eventually([&] { return answered() || edge_.router().got.size() > sent; }));
  }
  client.Until("<iq type='result'");
}

}  // namespace
}  // namespace parley::c2s::testing

// A bound session: what becomes of what its client says.
#include "services/c2s/testing/session_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::c2s::testing {
namespace {

using link::v1::Envelope;
using ::testing::HasSubstr;

TEST_F(SessionTest, LogsInBindsAndExchangesStanzas) {
  Client client(edge_.port());
  EXPECT_EQ(client.Start(), "romeo@example.org/orchard");
  client.Send("<message to='juliet@example.org/balcony' id='m1'><body>hi</body></message>");
  ASSERT_TRUE(AwaitArrived(1));
  const Envelope up = Arrival(0);
  EXPECT_EQ(up.leg(), link::v1::LEG_INBOUND);
  EXPECT_EQ(up.from(), "romeo@example.org/orchard");
  EXPECT_EQ(up.to(), "juliet@example.org/balcony");
  EXPECT_EQ(up.origin(), SessionId());
  EXPECT_EQ(up.origin_seq(), 1u);
  EXPECT_THAT(up.stanza(), HasSubstr("from='romeo@example.org/orchard'"));
  Deliver(SessionId(), "<message from='juliet@example.org/balcony'><body>ho</body></message>");
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<body>ho</body>"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().settled == 1; }));
}

TEST_F(SessionTest, IsCountedForItsHost) {
  constexpr char kSessions[] = "parley_c2s_host_sessions{host=\"example.org\",state=\"bound\"}";
  Client client(edge_.port());
  client.Start();
  EXPECT_EQ(edge_.Metric(kSessions), 1);
  client.Send("</stream:stream>");
  EXPECT_TRUE(edge_.Eventually([&] { return edge_.Metric(kSessions) == 0; }));
}

struct Leg {
  std::string name;
  std::string stanza;
  link::v1::Leg leg;
};
const Leg kLegs[] = {
    {"MessageToAccount", kToJuliet, link::v1::LEG_INBOUND},
    {"MessageToResource", "<message to='juliet@example.org/balcony'/>", link::v1::LEG_INBOUND},
    {"MessageToOtherHost", "<message to='paris@second.example'/>", link::v1::LEG_INBOUND},
    {"IqToAccount", "<iq to='juliet@example.org/x' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_INBOUND},
    {"MessageToOwnOtherResource", "<message to='romeo@example.org/other'/>", link::v1::LEG_INBOUND},
    {"MessageWithoutTo", "<message/>", link::v1::LEG_OUTBOUND},
    {"MessageToOwnAccount", "<message to='Romeo@example.org'/>", link::v1::LEG_OUTBOUND},
    {"IqWithoutTo", "<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq>", link::v1::LEG_OUTBOUND},
    {"IqToServer", "<iq to='example.org' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_OUTBOUND},
    {"IqToServersResource", "<iq to='example.org/x' id='1' type='get'><q xmlns='a:b'/></iq>", link::v1::LEG_OUTBOUND},
    {"MessageToElsewhere", "<message to='a@elsewhere.example'/>", link::v1::LEG_OUTBOUND},
    {"Presence", "<presence/>", link::v1::LEG_OUTBOUND},
    {"DirectedPresence", "<presence to='juliet@example.org'/>", link::v1::LEG_OUTBOUND},
    {"Subscription", "<presence to='juliet@example.org' type='subscribe'/>", link::v1::LEG_OUTBOUND},
};

TEST_F(SessionTest, ChoosesTheLegByArchitecture) {
  Client client(edge_.port());
  client.Start();
  for (std::size_t i = 0; i < std::size(kLegs); ++i) {
    client.Send(kLegs[i].stanza);
    ASSERT_TRUE(AwaitArrived(i + 1)) << kLegs[i].name;
    EXPECT_EQ(Arrival(i).leg(), kLegs[i].leg) << kLegs[i].name;
    EXPECT_EQ(Arrival(i).origin_seq(), i + 1);
  }
}

TEST_F(SessionTest, StampsFromAndKeepsTheRest) {
  Client client(edge_.port());
  client.Start();
  client.Send(
      "<message from='romeo@example.org' to='juliet@example.org'><body>&lt;é</body><x xmlns='a:b'  c = \"d\"/>"
      "</message>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("from='romeo@example.org/orchard'"));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("<body>&lt;é</body><x xmlns='a:b'  c = \"d\"/></message>"));
}

TEST_F(SessionTest, PrefixesAndLanguageOfTheHeaderSurvive) {
  Client client(edge_.port());
  client.OpenSecured();
  client.AuthPlain();
  client.Until("</success>");
  client.Send(HeaderFor(kHost, "xmlns:p='urn:p' xml:lang='de' version='1.0'"));
  client.Until("</stream:features>");
  client.Bind();
  client.Send("<message to='juliet@example.org'><p:x/></message>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("xmlns:p='urn:p'"));
  EXPECT_THAT(Arrival(0).stanza(), HasSubstr("xml:lang='de'"));
}

TEST_F(SessionTest, TakesOneByteAtATime) {
  Client client(edge_.port());
  client.Start();
  for (const char c : std::string(kToJuliet)) client.Send(std::string(1, c));
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_EQ(Arrival(0).id(), "m");
}

TEST_F(SessionTest, TakesAThousandStanzasAtOnceInOrder) {
  Client client(edge_.port());
  client.Start();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += "<message to='juliet@example.org' id='" + std::to_string(i) + "'/>";
  client.Send(all);
  ASSERT_TRUE(AwaitArrived(1000));
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(Arrival(i).id(), std::to_string(i));
}

TEST_F(SessionTest, AnswersMistakesItself) {
  Client client(edge_.port());
  client.Start();
  client.Send("<message to='@@' id='bad'/>");
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<jid-malformed"));
  client.Send("<iq type='get' id='none'/>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<bad-request"));
  client.Send("<iq type='set' id='again'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<not-allowed"));
  client.Send("<iq type='set' id='old'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
  EXPECT_THAT(client.Until(">"), HasSubstr("type='result'"));
  EXPECT_EQ(Arrived(), 0u);
}

}  // namespace
}  // namespace parley::c2s::testing

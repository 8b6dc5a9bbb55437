// Resource binding (RFC 6120 section 7), by a router over a real link.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

std::string BindIq(const std::string& inside, const std::string& type = "set") {
  return "<iq type='" + type + "' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" + inside + "</bind></iq>";
}

class BindTest : public ::testing::Test {
 protected:
  explicit BindTest(const EdgeHarness::Change& change = {}) : edge_(change) {}
  session::v1::Bind LastAsk() {
    return edge_.OnLoop([this] { return edge_.router().asks.back().bind(); });
  }
  // Up to where the router has to answer, which it does not yet.
  void BeginToBind(Client& client) {
    edge_.OnLoop([this] { edge_.router().hold_asks = true; });
    client.LogIn();
    client.Send(BindIq(""));
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().held_asks.size() == 1; }));
  }
  void DeliverBeforeTheAnswer(const std::string& stanza) {
    edge_.OnLoop([&] {
      auto& router = edge_.router();
      router.Deliver(router.asks.back().bind().session(), stanza);
      router.AnswerHeld();
    });
  }
  EdgeHarness edge_;
};

TEST_F(BindTest, AsksTheRouter) {
  Client client(edge_.port());
  client.LogIn();
  client.Send(BindIq("<resource> Oréchard&lt;</resource>"));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<jid>romeo@example.org/ Oréchard&lt;</jid>"));
  const auto ask = LastAsk();
  EXPECT_EQ(ask.account(), "romeo@example.org");
  EXPECT_EQ(ask.resource(), " Oréchard<");
  EXPECT_EQ(ask.address(), "127.0.0.1");
  EXPECT_EQ(ask.mechanism(), "PLAIN");
  EXPECT_EQ(ask.conflict(), session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(ask.session().size(), 15u);
  EXPECT_FALSE(ask.node().empty());
  EXPECT_FALSE(ask.node_epoch().empty());
}

// The declarations of the stream header hold for all that is in the stream (Namespaces in XML 1.0 section 6).
TEST_F(BindTest, LoginAndBindingMayUsePrefixesOfTheStreamHeader) {
  Client client(edge_.port());
  client.Open();
  ASSERT_TRUE(client.Secure());
  client.Send(HeaderFor(kHost,
                        "version='1.0' xmlns:s='urn:ietf:params:xml:ns:xmpp-sasl' xmlns:c='jabber:client' "
                        "xmlns:r='jabber:iq:register'"));
  client.Until("</stream:features>");
  client.Send("<c:iq type='get' id='r'><r:query/></c:iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<username/>"));
  client.Send("<s:auth mechanism='PLAIN'>" + Base64(std::string("\0romeo\0wherefore", 16)) + "</s:auth>");
  client.Until("<success");
  client.Until("</success>");
  client.Send(HeaderFor(kHost, "version='1.0' xmlns:c='jabber:client' xmlns:b='urn:ietf:params:xml:ns:xmpp-bind'"));
  client.Until("</stream:features>");
  client.Send("<c:iq type='set' id='b'><b:bind><b:resource>orchard</b:resource></b:bind></c:iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<jid>romeo@example.org/orchard</jid>"));
}

TEST_F(BindTest, LeavesTheResourceToTheServer) {
  for (const std::string none : {"", "<resource/>"}) {
    Client client(edge_.port());
    client.LogIn();
    client.Send(BindIq(none));
    EXPECT_THAT(client.Until("</iq>"), HasSubstr("<jid>romeo@example.org/made-"));
    EXPECT_EQ(LastAsk().resource(), "");
  }
}

TEST_F(BindTest, RefusesBadRequestsAndLetsTryAgain) {
  Client client(edge_.port());
  client.LogIn();
  for (const std::string& bad : {BindIq("<resource>\xC2\x85</resource>"),
                                 BindIq("<resource>" + std::string(1024, 'x') + "</resource>"), BindIq("", "get")}) {
    client.Send(bad);
    const std::string answer = client.Until("</iq>");
    EXPECT_THAT(answer, HasSubstr("type='error'")) << bad;
    EXPECT_THAT(answer, HasSubstr("<bad-request")) << bad;
  }
  EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
}

// One account can have as many connections as it likes, but for this.
TEST_F(BindTest, WithoutAResourceAConnectionCountsAsNotLoggedIn) {
  EdgeHarness edge([](config::Config& config) { config.c2s.max_unauthenticated = 1; });
  Client first(edge.port());
  first.LogIn();
  Client second(edge.port());
  second.Send(HeaderFor(kHost));
  ASSERT_TRUE(edge.Eventually([&] { return edge.Metric("parley_c2s_limits_total{limit=\"unauthenticated\"}") > 0; }));
  first.Send(BindIq(""));
  first.Until("</iq>");
  second.Until("</stream:features>");
}

TEST_F(BindTest, AnAnswerIsNoRequestAndGetsNone) {  // RFC 6120 8.2.3, and 7.1: no stanzas before binding
  for (const std::string type : {"result", "error"}) {
    Client client(edge_.port());
    client.LogIn();
    client.Send(BindIq("", type));
    const std::string rest = client.Rest();
    EXPECT_THAT(rest, ::testing::Not(HasSubstr("<iq")));
    EXPECT_EQ(StreamErrorIn(rest), "not-authorized");
  }
}

TEST_F(BindTest, WithoutAnIdTheErrorHasNone) {
  Client client(edge_.port());
  client.LogIn();
  client.Send("<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
  EXPECT_THAT(client.Until("</iq>"), ::testing::AllOf(HasSubstr("<iq type='error'>"), HasSubstr("<bad-request")));
}

TEST_F(BindTest, PassesTheRoutersRefusalOn) {
  Client client(edge_.port());
  client.LogIn();
  for (const std::string condition : {"conflict", "resource-constraint", "not-allowed"}) {
    edge_.OnLoop([&] { edge_.router().bind_condition = condition; });
    client.Send(BindIq("<resource>x</resource>"));
    EXPECT_THAT(client.Until("</iq>"), HasSubstr("<" + condition + " "));
  }
  edge_.OnLoop([&] { edge_.router().bind_condition.clear(); });
  EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
}

TEST_F(BindTest, WritesWhatComesBeforeTheAnswerAfterIt) {
  Client client(edge_.port());
  BeginToBind(client);
  DeliverBeforeTheAnswer("<message id='early'/>");
  EXPECT_THAT(client.Until("<message id='early'/>"), HasSubstr("</jid></bind></iq><message id='early'/>"));
}

class BindEarlyTest : public BindTest {
 protected:
  BindEarlyTest() : BindTest([](config::Config& config) { config.c2s.max_early = 1; }) {}
};

TEST_F(BindEarlyTest, OnlySoMuchOfItWaits) {
  Client client(edge_.port());
  BeginToBind(client);
  edge_.OnLoop([this] {
    auto& router = edge_.router();
    for (const auto* id : {"1", "2"}) {
      router.Deliver(router.asks.back().bind().session(), "<message id='" + std::string(id) + "'/>");
    }
  });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  EXPECT_THAT(client.Until("<message id='1'/>"), HasSubstr("</jid></bind></iq><message id='1'/>"));
  EXPECT_EQ(edge_.Metric("parley_c2s_limits_total{limit=\"early\"}"), 1);
}

TEST_F(BindTest, WhatComesForAClientThatLeftMeanwhileIsGivenBack) {
  Client client(edge_.port());
  BeginToBind(client);
  client.connection().Reset();
  DeliverBeforeTheAnswer("<message id='early'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

// Its end has not been read by then.
TEST_F(BindTest, WhatComesRightBehindTheAnswerForAClientThatLeftIsGivenBack) {
  Client client(edge_.port());
  BeginToBind(client);
  client.connection().Close();
  edge_.OnLoop([this] {
    auto& router = edge_.router();
    router.AnswerHeld();
    router.Deliver(router.asks.back().bind().session(), "<message id='behind'/>");
  });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

TEST_F(BindTest, EndsTheSessionOfAClientThatLeftMeanwhile) {
  Client client(edge_.port());
  BeginToBind(client);
  client.connection().Reset();
  // While the edge waits for the answer it does not read; it finds out when it writes.
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().got.size() == 1; }));
  const auto end = edge_.OnLoop([this] { return edge_.router().got[0].envelope; });
  EXPECT_TRUE(end.has_session_ended());
  EXPECT_EQ(end.session(), LastAsk().session());
}

TEST_F(BindTest, WithoutAnAnswerTheClientIsToldToComeBack) {
  EdgeHarness edge([](config::Config& config) { config.c2s.router_timeout = std::chrono::milliseconds(400); });
  edge.OnLoop([&] { edge.router().hold_asks = true; });
  Client client(edge.port());
  client.LogIn();
  client.Send(BindIq(""));
  const std::string rest = client.Rest();
  EXPECT_THAT(rest, HasSubstr("<iq type='error' id='b'>"));
  EXPECT_EQ(StreamErrorIn(rest), "resource-constraint");
  // Whichever of the asks is still answered, its session is ended.
  ASSERT_TRUE(edge.Eventually([&] { return edge.router().got.size() == edge.router().asks.size(); }));
}

}  // namespace
}  // namespace parley::c2s::testing

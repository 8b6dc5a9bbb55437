// Stream management (XEP-0198) on one stream: enabling it, and acknowledgements both ways.
#include "services/c2s/sm/management.h"

#include "services/c2s/testing/management_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ManagementTest, IsOfferedAfterLogin) {
  Client client(edge_.port());
  EXPECT_THAT(client.OpenSecured(), Not(HasSubstr("urn:xmpp:sm:3")));
  client.AuthPlain();
  client.Until("</success>");
  EXPECT_THAT(client.Open(), HasSubstr("<sm xmlns='urn:xmpp:sm:3'/>"));
}

TEST_F(ManagementTest, EnablingSaysHowToResume) {
  Client client(edge_.port());
  client.Start();
  client.Send(kEnable);
  EXPECT_EQ(client.Until("/>"), "<enabled xmlns='urn:xmpp:sm:3' id='" + SessionId() +
                                    "' resume='true' max='100' location='edge.example.org:5222'/>");
  EXPECT_EQ(Length(), "1");
}

TEST_F(ManagementTest, TheClientMayWantLessTime) {
  Client client(edge_.port());
  client.Start();
  client.Send("<enable xmlns='urn:xmpp:sm:3' resume='1' max='7'/>");
  EXPECT_THAT(client.Until("/>"), HasSubstr("max='7'"));
}

TEST_F(ManagementTest, TheClientMayNotHaveMoreTimeThanThereIs) {
  for (const char* wanted : {"101", "99999999999"}) {
    Client client(edge_.port());
    client.Start();
    client.Send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='" + std::string(wanted) + "'/>");
    EXPECT_THAT(client.Until("/>"), HasSubstr("max='100'")) << wanted;
  }
}

TEST_F(ManagementTest, NoTimeIsNoResumption) {
  Client client(edge_.port());
  client.Start();
  client.Send("<enable xmlns='urn:xmpp:sm:3' resume='true' max='0'/>");
  EXPECT_EQ(client.Until("/>"), "<enabled xmlns='urn:xmpp:sm:3'/>");
}

TEST_F(ManagementTest, AnonymousUsersDoNotResume) {
  Client client(edge_.port());
  client.OpenSecured();
  client.Auth("ANONYMOUS", "trace");
  client.Until("</success>");
  client.Open();
  client.Bind();
  client.Send(kEnable);
  EXPECT_EQ(client.Until("/>"), "<enabled xmlns='urn:xmpp:sm:3'/>");
}

TEST_F(ManagementTest, WhatTheRouterDoesNotEnableFailsAndTheStreamGoesOn) {
  edge_.OnLoop([this] { edge_.router().enable_ok = false; });
  Client client(edge_.port());
  client.Start();
  client.Send(kEnable);
  EXPECT_EQ(client.Until("</failed>"), Failed("internal-server-error"));
  edge_.OnLoop([this] { edge_.router().enable_ok = true; });
  client.Send(kEnable);
  EXPECT_THAT(client.Until("/>"), HasSubstr("<enabled"));
}

TEST_F(ManagementTest, NothingIsAcknowledgedBeforeItIsEnabled) {
  Client client(edge_.port());
  client.Start();
  for (const char* early : {kAsk, "<a xmlns='urn:xmpp:sm:3' h='0'/>"}) {
    client.Send(early);
    EXPECT_EQ(client.Until("</failed>"), Failed("unexpected-request"));
  }
  EXPECT_THAT(client.Sync(), Not(HasSubstr("stream:error")));
}

TEST_F(ManagementTest, StrangersAreToldThatItFailed) {
  Client known(edge_.port());
  const std::string id = Enable(known);
  for (const std::string& element :
       {std::string(kEnable), "<resume xmlns='urn:xmpp:sm:3' h='0' previd='" + id + "'/>"}) {
    Client in_the_clear(edge_.port());
    in_the_clear.Open();
    in_the_clear.Send(element);
    EXPECT_EQ(in_the_clear.Until("</failed>"), Failed("unexpected-request"));
    EXPECT_EQ(StreamErrorIn(in_the_clear.Rest()), "not-authorized");
    Client secured(edge_.port());
    secured.OpenSecured();
    secured.Send(element);
    EXPECT_EQ(secured.Until("</failed>"), Failed("unexpected-request"));
    EXPECT_EQ(StreamErrorIn(secured.Rest()), "not-authorized");
  }
  Deliver(id, Message("1"));
  EXPECT_EQ(known.Until(Message("1")), Message("1"));
}

TEST_F(ManagementTest, WithoutResumptionThereIsNoId) {
  Client client(edge_.port());
  client.Start();
  client.Send("<enable xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(client.Until("/>"), "<enabled xmlns='urn:xmpp:sm:3'/>");
}

TEST_F(ManagementTest, EnablingTwiceOrTooEarlyIsUnexpected) {
  Client client(edge_.port());
  client.LogIn();
  client.Send(kEnable);
  EXPECT_THAT(client.Until("</failed>"),
              HasSubstr("<unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"));
  client.Bind();
  client.Send(kEnable);
  client.Until("/>");
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>");
  EXPECT_THAT(client.Until("</failed>"), HasSubstr("<unexpected-request"));
  client.Send(kEnable);
  EXPECT_THAT(client.Until("</failed>"), HasSubstr("<unexpected-request"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "policy-violation");
  EXPECT_TRUE(AwaitEnd("policy-violation"));
}

TEST_F(ManagementTest, CountsStanzasFromEnablingOn) {
  Client client(edge_.port());
  client.Start();
  client.Send("<message to='juliet@example.org' id='before'/>");
  client.Send(kEnable);
  client.Until("/>");
  client.Send("<r xmlns='urn:xmpp:sm:3'/>");
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
  client.Send("<message to='juliet@example.org' id='1'/> <presence/><a xmlns='urn:xmpp:sm:3' h='0'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(Contents().header.handled(), 3u);
  EXPECT_EQ(Contents().header.base(), 1u);
}

TEST_F(ManagementTest, AnswersOnceTheRoutersHaveTakenAll) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org' id='1'/><message to='juliet@example.org' id='2'/>" + std::string(kAsk));
  ASSERT_TRUE(AwaitArrived(2));
  // They take too long: what is handled until then; and again when the rest is.
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
  edge_.OnLoop([this] { edge_.router().Acknowledge(1); });
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
}

TEST_F(ManagementTest, NotesHandledStanzasUnasked) {
  Client client(edge_.port());
  Enable(client);
  for (int i = 0; i < 5; ++i) client.Send("<message to='juliet@example.org'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Contents().header.handled() == 5; }));
}

TEST_F(ManagementTest, NotesTheLastHandledStanzaAfterAWhile) {
  Client client(edge_.port());
  Enable(client);
  client.Send("<message to='juliet@example.org'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Contents().header.handled() == 1; }));
}

// RFC 6120 8.2.3: should we die now, the edge where the client comes back does not answer once more.
TEST_F(ManagementTest, TheAnswerToAPingOfTheServerIsQueuedAsOne) {
  Client client(edge_.port());
  Enable(client);
  client.Send("<iq type='get' id='q' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  client.Until("<iq type='result' id='q'");
  const auto contents = Contents();
  ASSERT_EQ(contents.stanzas.size(), 1u);
  EXPECT_EQ(contents.stanzas[0].envelope().answers(), 1u);
  EXPECT_EQ(contents.header.handled(), 1u);
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 0u);
}

TEST_F(ManagementTest, NotesWhichAnswersTheClientHasWhileSomethingBeforeThemIsNotHandled) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/><iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(2));
  Deliver(SessionId(), "<iq type='result' id='q'/>", [](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_id("q");
    envelope.set_answers(2);
  });
  client.Until("<iq type='result' id='q'/>");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().header.answered_size() == 1; }));
  EXPECT_TRUE(session::IsAnswer(Contents().header.answered(0), 2, "q"));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  edge_.OnLoop([this] { edge_.router().Acknowledge(1); });
  EXPECT_TRUE(edge_.Eventually([this] { return Contents().header.handled() == 2; }));
  EXPECT_EQ(Contents().header.answered_size(), 0);
}

TEST_F(ManagementTest, QueuesInRedisUntilAcknowledged) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  EXPECT_TRUE(AwaitSettled(2));
  auto contents = Contents();
  ASSERT_EQ(contents.stanzas.size(), 2u);
  EXPECT_EQ(contents.stanzas[0].envelope().stanza(), Message("1"));
  EXPECT_GT(contents.stanzas[0].at(), 0);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(AwaitAcked(1));
  contents = Contents();
  EXPECT_EQ(contents.stanzas.at(0).envelope().stanza(), Message("2"));
}

TEST_F(ManagementTest, OurOwnAnswersCountToo) {
  Client client(edge_.port());
  Enable(client);
  client.Sync();
  EXPECT_EQ(Contents().stanzas.size(), 1u);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
}

TEST_F(ManagementTest, AsksAfterSomeStanzasAndAfterSomeTime) {
  Client client(edge_.port());
  Enable(client);
  for (const char* id : {"1", "2", "3"}) Deliver(SessionId(), Message(id));
  EXPECT_THAT(client.Until(kAsk), HasSubstr(Message("3")));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='3'/>");
  Deliver(SessionId(), Message("4"));
  EXPECT_THAT(client.Until(kAsk), HasSubstr(Message("4")));
}

TEST_F(ManagementTest, AsksAgainForWhatAnAnswerLeft) {
  Client client(edge_.port());
  Enable(client);
  for (const char* id : {"1", "2", "3"}) Deliver(SessionId(), Message(id));
  client.Until(kAsk);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(client.Until(kAsk), kAsk);
}

class LateAskTest : public SmTest {
 protected:
  LateAskTest()
      : SmTest([](config::Config& config) {
          config.c2s.sm_max_stanzas = 4;
          config.c2s.sm_max_bytes = 2000;
          config.c2s.sm_request_stanzas = 1000;
          config.c2s.sm_request_bytes = 1 << 20;
          config.c2s.sm_request_delay = std::chrono::hours(1);
        }) {}
};

TEST_F(LateAskTest, AClientIsAskedBeforeItsSessionEndsForWhatItOwes) {
  Client client(edge_.port());
  Enable(client);
  for (const char* id : {"1", "2"}) Deliver(SessionId(), Message(id));
  EXPECT_THAT(client.Until(kAsk), HasSubstr(Message("2")));
}

TEST_F(LateAskTest, AClientIsAskedBeforeItsSessionEndsForTheBytesThatItOwes) {
  Client client(edge_.port());
  Enable(client);
  const std::string large(1000, 'x');
  Deliver(SessionId(), Message(large));
  EXPECT_THAT(client.Until(kAsk), HasSubstr(large));
}

class AskForBytesTest : public SmTest {
 protected:
  AskForBytesTest()
      : SmTest([](config::Config& config) {
          config.c2s.sm_request_stanzas = 1000;
          config.c2s.sm_request_bytes = 1000;
          config.c2s.sm_request_delay = std::chrono::hours(1);
        }) {}
};

TEST_F(AskForBytesTest, AsksAfterSomeBytesAndNotAgainBeforeItIsAnswered) {
  Client client(edge_.port());
  Enable(client);
  const std::string large(1100, 'x');
  Deliver(SessionId(), Message("small"));
  Deliver(SessionId(), Message("1" + large));
  EXPECT_EQ(client.Until(kAsk), Message("small") + Message("1" + large) + kAsk);
  for (const char* id : {"2", "3"}) Deliver(SessionId(), Message(id + large));
  EXPECT_EQ(client.Until(Message("3" + large)), Message("2" + large) + Message("3" + large));
  EXPECT_THAT(client.Sync(), Not(HasSubstr(kAsk)));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='5'/>");
  Deliver(SessionId(), Message("4" + large));
  EXPECT_EQ(client.Until(kAsk), Message("4" + large) + kAsk);
}

TEST_F(ManagementTest, RefusesAcknowledgementsOfWhatWasNotSent) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  const std::string rest = client.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "undefined-condition");
  EXPECT_THAT(rest, HasSubstr("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>"));
}

TEST_F(ManagementTest, ASmallerAcknowledgementThanBeforeIsIgnored) {
  Client client(edge_.port());
  Enable(client);
  for (const char* id : {"1", "2"}) Deliver(SessionId(), Message(id));
  client.Until(Message("2"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/><a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
}

TEST_F(ManagementTest, AnAcknowledgementWithoutANumberIsAnError) {
  Client client(edge_.port());
  Enable(client);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='-1'/>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "bad-format");
}

TEST_F(ManagementTest, AFullQueueEndsTheSession) {
  Client client(edge_.port());
  Enable(client);
  const std::string session = SessionId();
  for (int i = 0; i < 11; ++i) Deliver(session, Message(std::to_string(i)));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "resource-constraint");
  EXPECT_TRUE(AwaitEnd("queue full"));
  // Ten are in the queue for the router to deal with, the last one is its own still.
  EXPECT_EQ(Contents().stanzas.size(), 10u);
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

TEST_F(ManagementTest, ClosingTheStreamEndsTheSession) {
  Client client(edge_.port());
  Enable(client);
  client.Send("</stream:stream>");
  client.Rest();
  EXPECT_TRUE(AwaitEnd("closed"));
}

TEST_F(ManagementTest, OurOwnAnswersDoNotPassTheLimit) {
  Client client(edge_.port());
  Enable(client);
  for (int i = 0; i < 11; ++i) {
    client.Send("<iq type='set' id='1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
  }
  EXPECT_EQ(StreamErrorIn(client.Rest()), "resource-constraint");
  EXPECT_TRUE(AwaitEnd("queue full"));
}

}  // namespace
}  // namespace parley::c2s::testing

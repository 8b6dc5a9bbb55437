// Stream management (XEP-0198) on one stream: enabling it, acknowledgements both ways, the queue in Redis.
#include "services/c2s/sm/management.h"

#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ManagementTest : public SmTest {
 protected:
  ManagementTest()
      : SmTest([](config::Config& config) {
          config.c2s.sm_resume_timeout = std::chrono::seconds(100);
          config.c2s.sm_location = "edge.example.org:5222";
          config.c2s.sm_max_stanzas = 10;
          config.c2s.sm_request_stanzas = 3;
          config.c2s.sm_request_delay = std::chrono::milliseconds(300);
          config.c2s.sm_ack_wait = std::chrono::milliseconds(300);
          config.c2s.sm_store_handled = 5;
        }) {}
};

// Of Juliet's stanzas.
auto Numbered(std::uint64_t seq) {
  return [seq](link::v1::Envelope& envelope) {
    envelope.set_origin("juliet");
    envelope.set_origin_seq(seq);
  };
}

link::v1::Envelope FromJuliet(std::uint64_t seq, const std::string& stanza) {
  link::v1::Envelope envelope;
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_stanza(stanza);
  Numbered(seq)(envelope);
  return envelope;
}

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
  client.Send(kEnable);
  EXPECT_THAT(client.Until("</failed>"), HasSubstr("<unexpected-request"));
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>");
  EXPECT_THAT(client.Until("</failed>"), HasSubstr("<unexpected-request"));
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
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  contents = Contents();
  EXPECT_EQ(contents.header.acked(), 1u);
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

TEST_F(ManagementTest, WhatOthersQueuedMeanwhileIsDelivered) {
  Client client(edge_.port());
  Enable(client);
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(foreign, 1, 0)});
  Deliver(SessionId(), Message("next"));
  EXPECT_EQ(client.Until(Message("next")), Message("foreign") + Message("next"));
  EXPECT_THAT(client.Sync(), Not(HasSubstr("<message")));
}

// Its sender was at an edge that was cut off, sent it once more elsewhere, and that edge is back, too.
TEST_F(ManagementTest, WhatOthersQueuedMeanwhileIsKnownWhenItIsRepeated) {
  Client client(edge_.port());
  Enable(client);
  auto foreign = FromJuliet(3, Message("foreign"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(foreign, 1, 0)});
  Deliver(SessionId(), Message("next"));
  client.Until(Message("next"));
  Deliver(SessionId(), Message("foreign"), [](link::v1::Envelope& envelope) {
    Numbered(3)(envelope);
    envelope.set_repeat(true);
  });
  Deliver(SessionId(), Message("last"));
  EXPECT_EQ(client.Until(Message("last")), Message("last"));
}

TEST_F(ManagementTest, ASessionThatWasClaimedElsewhereEnds) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().restore_ok = false; });
  edge_.redis().Call({"RENAME", queue_, queue_ + ".claimed"});
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

TEST_F(ManagementTest, AQueueThatRedisLostIsMadeAnew) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Call({"DEL", queue_});
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  const auto contents = Contents();
  ASSERT_EQ(contents.stanzas.size(), 2u);
  EXPECT_EQ(contents.stanzas[1].envelope().stanza(), Message("2"));
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

TEST_F(ManagementTest, WhatIsOlderThanWhatItsSenderSaidSinceIsNoRepeat) {
  Client client(edge_.port());
  Enable(client);
  const auto again = [](link::v1::Envelope& envelope) {
    envelope.set_origin("juliet");
    envelope.set_origin_seq(5);
    envelope.set_repeat(true);
    envelope.set_unacknowledged_by("another session of romeo's");
    envelope.set_unacknowledged_number(1);
  };
  Deliver(SessionId(), Message("6"), Numbered(6));
  Deliver(SessionId(), Message("5"), again);
  Deliver(SessionId(), Message("5 again"), again);
  Deliver(SessionId(), Message("7"), Numbered(7));
  EXPECT_EQ(client.Until(Message("7")), Message("6") + Message("5") + Message("7"));
}

// A router took us for dead, and queued again what the client has acknowledged by now.
TEST_F(ManagementTest, WhatIsQueuedAgainAfterItsAcknowledgementIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  auto again = FromJuliet(1, Message("1"));
  Deliver(SessionId(), Message("1"), Numbered(1));
  client.Until(Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(again, 1, 0)});
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("2"));
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().stanzas.size(), 1u);
  EXPECT_EQ(Contents().total(), 2u);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
}

// The same, while it was on its way to us.
TEST_F(ManagementTest, WhatIsQueuedTwiceIsDeliveredOnce) {
  Client client(edge_.port());
  Enable(client);
  auto same = FromJuliet(1, Message("1"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(same, 1, 0)});
  Deliver(SessionId(), Message("1"), Numbered(1));
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("1") + Message("2"));
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().stanzas.size(), 2u);
}

// A command of a connection that was given up may be done late.
TEST_F(ManagementTest, AnAnswerThatIsQueuedLateAgainIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  const std::string stanza = "<iq type='result' id='q'/>";
  const auto answer = [](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_id("q");
    envelope.set_answers(1);
  };
  link::v1::Envelope late;
  late.set_stanza(stanza);
  answer(late);
  client.Send("<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  Deliver(SessionId(), stanza, answer);
  client.Until(stanza);
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(late, 1, 0)});
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(client.Until(Message("1")), Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(late, 1, 0)});
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("2"));
}

// Its lease lapsed: others may have the session by now, or queue for it.
TEST_F(ManagementTest, WhileInDoubtWhoseTheSessionIsNothingIsQueuedAndAllMayBeARepeat) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.redis().Call({"DEL", "parley:nodes"});
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
  Deliver(SessionId(), Message("1"));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Length(), "1");
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  client.Until(Message("1"));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_FALSE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// Nothing was on its way to Redis when it went away.
TEST_F(ManagementTest, WhatComesOnceTheLeaseHasLapsedForWantOfRedisIsWritten) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Start();
}

// A Redis that is there, but does not do what it is asked (out of memory, a replica, a full disk).
TEST_F(ManagementTest, WhatOthersQueueWhileRedisRefusesUsComesToo) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx"});
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().settled; }), 0);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(AwaitSettled(2));
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx"});
  client.Until(Message("foreign"));
  Deliver(SessionId(), Message("3"));
  EXPECT_THAT(client.Until(Message("3")), Not(HasSubstr(Message("foreign"))));
  EXPECT_EQ(Contents().header.acked(), 2u);
  EXPECT_EQ(Contents().stanzas.size(), 2u);
}

TEST_F(ManagementTest, ARequestThatOthersQueuedIsKnownToBeAnswered) {
  Client client(edge_.port());
  Enable(client);
  link::v1::Envelope asked;
  asked.set_kind(link::v1::KIND_IQ);
  asked.set_type(link::v1::TYPE_GET);
  asked.set_id("asked");
  asked.set_from("juliet@example.org/balcony");
  asked.set_origin("origin");
  asked.set_origin_seq(1);
  asked.set_stanza("<iq type='get' id='asked' from='juliet@example.org/balcony'/>");
  edge_.redis().Call({"RPUSH", queue_, session::Encode(asked, 1, 0)});
  Deliver(SessionId(), Message("2"));
  client.Until(asked.stanza());
  client.Send("<iq type='result' id='asked' to='juliet@example.org/balcony'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Contents().header.replied_size() == 1; }));
}

TEST_F(ManagementTest, WhatRedisDidNotTrimKeepsItsNumber) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), "<iq type='get' id='asked' from='juliet@example.org/balcony'/>", [](link::v1::Envelope& asked) {
    asked.set_kind(link::v1::KIND_IQ);
    asked.set_type(link::v1::TYPE_GET);
    asked.set_id("asked");
    asked.set_from("juliet@example.org/balcony");
  });
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "-lset"});
  const double errors = edge_.Metric("parley_redis_errors_total");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(edge_.Eventually([&] { return edge_.Metric("parley_redis_errors_total") > errors; }));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+lset"});
  client.Send("<iq type='result' id='asked' to='juliet@example.org/balcony'/>");  // is noted in the header
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  EXPECT_EQ(Contents().header.acked(), 1u);
  EXPECT_EQ(Contents().stanzas.at(0).envelope().stanza(), Message("2"));
}

TEST_F(ManagementTest, WithoutRedisStanzasGoOnAndStayTheRouters) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().settled; }), 0);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_TRUE(AwaitSettled(1));
  edge_.redis().Start();
  // Emptied; the router lets the session be put back, and its queue is made of what is left.
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().header.acked(), 1u);
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

}  // namespace
}  // namespace parley::c2s::testing

// The life of a session with stream management beyond one stream (XEP-0198 section 5).
#include <algorithm>
#include <chrono>
#include <thread>

#include "libs/base/ids.h"
#include "services/c2s/testing/sm_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ResumeTest : public SmTest {
 protected:
  ResumeTest() = default;
  explicit ResumeTest(const EdgeHarness::Change& change) : SmTest(change) {}

  // Cut off without a word.
  void GoAway(Client& client) {
    client.connection().Reset();
    ASSERT_TRUE(AwaitSessions("away", 1));
  }
  void HandOver(const std::string& session) {
    Deliver(session, "", [this](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_CONTROL);
      envelope.mutable_hand_over()->set_queue(queue_.substr(queue_.rfind(':') + 1));
    });
  }
  // As if another edge had left a session.
  void Leave(const std::function<void(session::v1::QueueHeader&)>& change,
             const std::vector<link::v1::Envelope>& queued) {
    edge_.OnLoop([=, this] {
      auto& resumed = edge_.router().resumed;
      resumed.set_jid("romeo@example.org/orchard");
      auto& record = *resumed.mutable_record();
      record.set_resource("orchard");
      record.set_session("left");
      record.set_resume_ms(60000);
      record.set_presence("<presence from='romeo@example.org/orchard'/>");
      edge_.router().on_ask = [=, this](const session::v1::Ask& ask) {
        if (!ask.has_resume()) return;
        edge_.router().resumed.mutable_record()->set_queue(ask.resume().queue());
        queue_ = session::QueueKey("romeo@example.org", ask.resume().queue());
        session::v1::QueueHeader header;
        change(header);
        edge_.redis().Call({"DEL", queue_});
        edge_.redis().Call({"RPUSH", queue_, session::Encode(header)});
        for (auto envelope : queued) {
          edge_.redis().Call({"RPUSH", queue_, session::Encode(envelope, 1, header.handled())});
        }
      };
    });
  }
  static link::v1::Envelope Queued(const std::string& id, const std::string& origin = {}, std::uint64_t seq = 0) {
    link::v1::Envelope envelope;
    envelope.set_kind(link::v1::KIND_MESSAGE);
    envelope.set_stanza(Message(id));
    envelope.set_origin(origin);
    envelope.set_origin_seq(seq);
    return envelope;
  }
};

TEST_F(ResumeTest, ComesBackToTheSameEdge) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  client.Send("<message to='juliet@example.org'/>");
  for (const char* message : {"1", "2"}) Deliver(id, Message(message));
  client.Until(Message("2"));
  GoAway(client);
  EXPECT_FALSE(Ended());
  Deliver(id, Message("3"));
  EXPECT_TRUE(AwaitSettled(3));
  Client again(edge_.port());
  EXPECT_EQ(Resume(again, id, 1), "<resumed xmlns='urn:xmpp:sm:3' previd='" + id + "' h='1'/>");
  EXPECT_EQ(again.Until(Message("3")), Message("2") + Message("3"));
  Deliver(id, Message("4"));
  again.Until(Message("4"));
  again.Send("<message to='juliet@example.org' id='second'/>");
  again.Send(kAsk);
  EXPECT_EQ(again.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); }), 2u);
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().asks.size(); }), 2u) << "no router is needed for this";
}

TEST_F(ResumeTest, TakesOverFromAStreamThatIsStillThere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("<resumed"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  Deliver(id, Message("1"));
  again.Until(Message("1"));
  EXPECT_FALSE(Ended());
}

TEST_F(ResumeTest, AStreamErrorOfTheClientsMakingEndsTheSession) {
  Client client(edge_.port());
  Enable(client);
  client.Send("<message from='somebody@else.example'/>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "invalid-from");
  EXPECT_TRUE(AwaitEnd("invalid-from"));
}

TEST_F(ResumeTest, OthersCannotResumeIt) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Client other(edge_.port());
  other.LogIn("juliet", "art thou");
  other.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  EXPECT_EQ(other.Until("</failed>"),
            "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
  EXPECT_EQ(other.Bind("after"), "juliet@example.org/after");
}

TEST_F(ResumeTest, MoreThanWasSentIsAStreamError) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='1'/>");
  const std::string rest = again.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "undefined-condition");
  EXPECT_THAT(rest, HasSubstr("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='1' send-count='0'/>"));
}

TEST_F(ResumeTest, WhatNobodyKnowsIsNotFound) {
  edge_.OnLoop([this] {
    edge_.router().resumed.set_condition("item-not-found");
    edge_.router().resumed.set_knows_handled(true);
    edge_.router().resumed.set_handled(17);
  });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='nobody' h='0'/>");
  EXPECT_EQ(
      client.Until("</failed>"),
      "<failed xmlns='urn:xmpp:sm:3' h='17'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
  EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
}

TEST_F(ResumeTest, ClaimsASessionThatAnotherEdgeLeft) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_acked(4294967294);
        header.set_handled(12);
        header.set_base(2);
      },
      {Queued("a"), Queued("b", "origin", 5), Queued("c")});
  Client client(edge_.port());
  // Of 4294967295, 4294967296 and 4294967297 it got the first two.
  EXPECT_EQ(Resume(client, "left", 0), "<resumed xmlns='urn:xmpp:sm:3' previd='left' h='10'/>");
  EXPECT_EQ(client.Until(Message("c")), Message("c"));
  const auto asked = edge_.OnLoop([this] { return edge_.router().asks.back().resume(); });
  EXPECT_EQ(asked.account(), "romeo@example.org");
  EXPECT_EQ(asked.session(), "left");
  EXPECT_EQ(asked.node(), edge_.instance());
  EXPECT_EQ(asked.mechanism(), "PLAIN");
  // A repeat of what is in the queue, and of nothing that was there.
  const auto repeat = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
    };
  };
  Deliver("left", Message("b"), repeat(5));
  Deliver("left", Message("d"), repeat(6));
  EXPECT_EQ(client.Until(Message("d")), Message("d"));
  // What the client sends again may have been passed on already: the receivers are to look.
  client.Send("<message to='juliet@example.org' id='again'/>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto again = edge_.OnLoop([this] { return edge_.router().got.back().envelope; });
  EXPECT_EQ(again.origin(), "left");
  EXPECT_EQ(again.origin_seq(), 13u);
  EXPECT_TRUE(again.repeat());
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  EXPECT_EQ(Contents().header.acked(), 4294967298u);
}

TEST_F(ResumeTest, RecognisesRepeatsOfWhatWasAcknowledgedElsewhere) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_settled(true);
        auto& seen = *header.add_seen();
        seen.set_origin(StableHash("origin"));
        seen.set_seq(5);
      },
      {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  const auto repeat = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
      envelope.set_repeat(true);
    };
  };
  Deliver("left", Message("5"), repeat(5));
  Deliver("left", Message("6"), repeat(6));
  EXPECT_EQ(client.Until("/>"), Message("6"));
  // It was left in order: nothing that the client sends is a repeat.
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_FALSE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

TEST_F(ResumeTest, ARequestWhoseAnswerIsInTheQueueIsNotAskedAgain) {
  auto answer = Queued("x");
  answer.set_kind(link::v1::KIND_IQ);
  answer.set_id("q");
  answer.set_answers(1);
  answer.set_stanza("<iq type='result' id='q'/>");
  Leave([](session::v1::QueueHeader&) {}, {answer});
  Client client(edge_.port());
  Resume(client, "left", 0);
  client.Until("<iq type='result' id='q'/>");
  client.Send("<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq><message to='juliet@example.org'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 1u);
}

TEST_F(ResumeTest, APingOfTheServerThatAnotherEdgeAnsweredIsNotAnsweredAgain) {
  auto answer = Queued("x");
  answer.set_kind(link::v1::KIND_IQ);
  answer.set_id("q");
  answer.set_answers(1);
  answer.set_stanza("<iq type='result' id='q'/>");
  Leave([](session::v1::QueueHeader&) {}, {answer});
  Client client(edge_.port());
  Resume(client, "left", 0);
  client.Until("<iq type='result' id='q'/>");
  client.Send("<iq type='get' id='q' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 0u);
}

// Something sent before it is not handled yet, and the edge that had the session is gone.
TEST_F(ResumeTest, ARequestWhoseAnswerTheClientHasIsNotAskedAgain) {
  auto answer = Queued("x");
  answer.set_id("q");
  answer.set_answers(2);
  Leave([&](session::v1::QueueHeader& header) { *header.add_answered() = session::AnsweredBy(answer); }, {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  client.Send("<message to='juliet@example.org'/><iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  client.Send("<message to='juliet@example.org'/>");
  client.Send(kAsk);
  EXPECT_EQ(client.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='3'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.size(); }), 2u);
}

// RFC 6120 8.2.3: acknowledged at the other edge, or by "h".
TEST_F(ResumeTest, RequestsThatTheClientGotFromAnotherEdgeAreAnsweredAtTheEnd) {
  std::vector<link::v1::Envelope> queued;
  for (const std::string id : {"2", "3", "4"}) {
    auto& request = queued.emplace_back(Queued(id, "session of juliet", std::stoull(id)));
    request.set_kind(link::v1::KIND_IQ);
    request.set_type(link::v1::TYPE_GET);
    request.set_id(id);
    request.set_from("juliet@example.org/balcony");
  }
  const auto change = [](session::v1::QueueHeader& header) {
    header.set_acked(1);
    header.add_asked()->set_id("1");
    header.mutable_asked(0)->set_from("juliet@example.org/balcony");
    header.add_replied(3);
  };
  Leave(change, queued);
  Client client(edge_.port());
  Resume(client, "left", 4);
  client.Send("<iq type='result' id='4' to='juliet@example.org/balcony'/></stream:stream>");
  ASSERT_TRUE(AwaitArrived(4));
  const auto sent = edge_.OnLoop([this] {
    std::vector<std::string> ids;
    for (const auto& got : edge_.router().got) ids.push_back(got.envelope.id());
    return ids;
  });
  EXPECT_THAT(sent, ::testing::ElementsAre("4", "1", "2", "")) << "an answer, two errors, and that it has ended";
}

TEST_F(ResumeTest, DeliveriesThatComeBeforeTheQueueIsReadFollowIt) {
  Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
  edge_.OnLoop([this] {
    const auto make = edge_.router().on_ask;
    edge_.router().on_ask = [this, make](const session::v1::Ask& ask) {
      make(ask);
      if (ask.has_resume()) edge_.router().Deliver("left", Message("early"));
    };
  });
  Client client(edge_.port());
  Resume(client, "left", 0);
  EXPECT_EQ(client.Until(Message("early")), Message("queued") + Message("early"));
}

TEST_F(ResumeTest, HandsOverWhatItHas) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  client.Send("<message to='juliet@example.org'/>");
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  HandOver(id);
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(AwaitSettled(2));
  const auto contents = Contents();
  EXPECT_TRUE(contents.header.settled());
  EXPECT_EQ(contents.header.handled(), 1u);
  EXPECT_EQ(contents.stanzas.size(), 1u);
  EXPECT_FALSE(Ended());
  Deliver(id, Message("2"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

TEST_F(ResumeTest, WhatOnlyWeKnowIsNotHandedOver) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx"});
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  HandOver(id);
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused.at(0).second; }), link::v1::REFUSAL_REASON_OVERLOADED);
  EXPECT_TRUE(AwaitSessions("away", 1));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx"});
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  HandOver(id);
  EXPECT_TRUE(AwaitSettled(3));
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

TEST_F(ResumeTest, AStreamThatIsCutWhileTheSessionIsClaimedLeavesItAway) {
  Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  {
    Client client(edge_.port());
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
    client.connection().Reset();
  }
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_streams{state=\"negotiating\"}") == 0; }));
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  ASSERT_TRUE(AwaitSessions("away", 1));
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 0), HasSubstr("<resumed"));
  client.Until(Message("queued"));
}

TEST_F(ResumeTest, WhatIsClaimedByAnotherBeforeWeHaveItIsNotOurs) {
  Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  HandOver("left");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  EXPECT_THAT(client.Until("</failed>"), HasSubstr("item-not-found"));
  EXPECT_FALSE(Ended());
  EXPECT_TRUE(AwaitSessions("ending", 0));
}

TEST_F(ResumeTest, AStreamThatIsCutWhileItWaitsForTheSessionGetsNothing) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  GoAway(client);
  {
    Client again(edge_.port());
    again.LogIn();
    again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
    again.connection().Reset();
  }
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_streams{state=\"negotiating\"}") == 0; }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  Deliver(id, Message("1"));
  EXPECT_TRUE(AwaitSettled(1));
  EXPECT_TRUE(AwaitSessions("away", 1));
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("h='1'"));
  again.Until(Message("1"));
}

TEST_F(ResumeTest, AnEarlierClaimIsNotHandedOverForALaterOne) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  queue_ = "parley:q:{romeo@example.org}:another";
  HandOver(id);
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
}

class ShortResumeTest : public ResumeTest {
 protected:
  ShortResumeTest()
      : ResumeTest([](config::Config& config) {
          config.c2s.sm_resume_timeout = std::chrono::milliseconds(300);
          config.c2s.router_timeout = std::chrono::milliseconds(600);
        }) {}
};

TEST_F(ShortResumeTest, EndsWhenItsTimeIsOver) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  EXPECT_TRUE(AwaitEnd("resumption timeout"));
  Deliver(id, Message("1"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

// In order: what Redis has is handled before what it could not be told of.
TEST_F(ShortResumeTest, ItsEndWaitsForRedis) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  edge_.redis().Stop();
  Deliver(id, Message("2"));
  client.Until(Message("2"));
  client.connection().Reset();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  EXPECT_FALSE(Ended());
  edge_.redis().Start();
  EXPECT_TRUE(AwaitEnd("resumption timeout"));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().refused.empty(); }));
}

TEST_F(ShortResumeTest, ASessionThatCannotBeReachedNowIsNotGivenUp) {
  edge_.OnLoop([this] { edge_.router().resumed.set_condition("resource-constraint"); });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='busy' h='0'/>");
  const std::string rest = client.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "resource-constraint");
  EXPECT_THAT(rest, Not(HasSubstr("<failed")));
  EXPECT_GT(edge_.OnLoop([this] { return edge_.router().asks.size(); }), 1u);
  // A router may have given it to us all the same.
  EXPECT_TRUE(AwaitEnd("left"));
}

class PatientResumeTest : public ResumeTest {
 protected:
  PatientResumeTest()
      : ResumeTest([](config::Config& config) { config.c2s.router_timeout = std::chrono::minutes(5); }) {}
};

// Its client may have the session elsewhere by now, and lose it to us.
TEST_F(PatientResumeTest, NothingIsClaimedForAClientThatHasGone) {
  edge_.OnLoop([this] { edge_.router().resumed.set_condition("resource-constraint"); });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='busy' h='0'/><r xmlns='urn:xmpp:sm:3'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.size() > 1; }));
  client.connection().SendEnd();
  EXPECT_TRUE(AwaitEnd("left"));
}

TEST_F(ResumeTest, ADrainLeavesSessionsToBeResumedElsewhere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  bool done = false;
  edge_.OnLoop([&] { edge_.edge().Drain([&] { done = true; }); });
  EXPECT_EQ(StreamErrorIn(client.Rest()), "system-shutdown");
  client.connection().Close();
  ASSERT_TRUE(edge_.Eventually([&] { return done; }));
  EXPECT_FALSE(Ended());
  EXPECT_TRUE(Contents().header.settled());
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

class LonelyTest : public ResumeTest {
 protected:
  LonelyTest()
      : ResumeTest([](config::Config& config) {
          config.c2s.lease_ttl = std::chrono::seconds(1);
          config.c2s.lease_refresh = std::chrono::milliseconds(100);
          config.c2s.no_router_timeout = std::chrono::seconds(2);
          config.link.keepalive = std::chrono::milliseconds(500);
          config.link.keepalive_timeout = std::chrono::milliseconds(1000);
        }) {}
};

constexpr char kMessagesIn[] = "parley_c2s_stanzas_in_total{kind=\"message\"}";

// It would not hear that no router takes it, and sends it again if it is not handled.
TEST_F(LonelyTest, WhatAClientSaidBeforeItWentAwayWaitsForARouter) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  GoAway(client);
  EXPECT_EQ(Contents().header.handled(), 0u);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("h='0'"));
  EXPECT_EQ(Contents().stanzas.size(), 0u);  // no error for it
}

TEST_F(LonelyTest, WhatIsAnsweredIsNotAskedAgain) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<iq type='get' id='q' to='juliet@example.org/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto number = edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); });
  const std::string answer = "<iq type='result' id='q'/>";
  Deliver(id, answer, [number](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_answers(number);
  });
  client.Until(answer);
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  client.Send(kAsk);
  EXPECT_THAT(client.Until("/>"), HasSubstr("h='1'"));  // not for the routers any more
}

TEST_F(LonelyTest, WhatMayHaveBeenClaimedFromAnEdgeThatIsCutOffIsNotResumedThere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));  // its lease has lapsed
  edge_.StopRouter();
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  const std::string rest = again.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "resource-constraint");
  EXPECT_THAT(rest, Not(HasSubstr("<failed")));
  edge_.redis().Start();
}

// What SIGSTOP does to an edge: its loop does not turn until the lease has lapsed.
class StoppedTest : public LonelyTest {
 protected:
  void StopAWhile() {
    edge_.OnLoop([] { std::this_thread::sleep_for(std::chrono::milliseconds(1500)); });
  }
  bool GotMessage() {
    return edge_.OnLoop([this] {
      const auto& got = edge_.router().got;
      return std::any_of(got.begin(), got.end(),
                         [](const auto& g) { return g.envelope.kind() == link::v1::KIND_MESSAGE; });
    });
  }
};

TEST_F(StoppedTest, WhatClientsSaidMeanwhileWaitsUntilTheirSessionIsKnownToBeOurs) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  client.Send("<message to='juliet@example.org' id='1'/>");
  StopAWhile();
  client.Send("<message to='juliet@example.org' id='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 2; }));
  const auto before = edge_.OnLoop([this] { return edge_.router().got.size(); });
  EXPECT_LE(before, 1u);  // the first, perhaps
  edge_.OnLoop([this] {
    edge_.router().hold_asks = false;  // it is asked once more, should the lease have been taken after the first time
    edge_.router().AnswerHeld();
  });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.id(); }), "2");
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// Its client says it again there.
TEST_F(StoppedTest, WhatClientsSaidMeanwhileIsForgottenIfOthersHaveTheirSession) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  edge_.OnLoop([this] {
    edge_.router().restore_ok = false;
    edge_.router().AnswerHeld();
  });
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(AwaitEnd("conflict"));
  EXPECT_FALSE(GotMessage());
}

// The routers have it under the lease of before.
TEST_F(StoppedTest, ASessionThatEndsBeforeItIsPutBackEndsUnderAnyLease) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.session_ended().node_epoch(); }), "");
}

TEST_F(StoppedTest, WhatOthersQueuedMeanwhileComesFirst) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "-lrange"});  // Redis does not say what is there
  const double errors = edge_.Metric("parley_redis_errors_total");
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([&] { return edge_.Metric("parley_redis_errors_total") > errors; }));
  Deliver(id, Message("new"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+lrange"});
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("foreign")));
}

TEST_F(StoppedTest, WhatTheClientHasSeenOfWhatIsUnsureKeepsItsPlaceAndNothingElse) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx", "-lrange"});
  Deliver(id, Message("seen"));
  client.Until(Message("seen"));
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  StopAWhile();
  Deliver(id, Message("new"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx", "+lrange"});
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("foreign")));
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().stanzas.size() == 3; }));
  EXPECT_EQ(Contents().stanzas[0].envelope().stanza(), Message("seen"));
}

// It may be resumed elsewhere, where nobody would know that it was answered.
TEST_F(LonelyTest, WhatAClientSaysWhileItsEdgeIsCutOffWaitsForARouter) {
  Client client(edge_.port());
  Enable(client);
  edge_.StopRouter();
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  client.Send("</stream:stream>");
  EXPECT_THAT(client.Rest(), Not(HasSubstr("<message")));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_deferred_stanzas") == 1; }));
  edge_.redis().Start();
}

}  // namespace
}  // namespace parley::c2s::testing

// Sessions that another edge claims, or that stay with theirs, or whose clients go before they have them (XEP-0198
// section 5).
#include <chrono>

#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

// Whoever gives it waits for us in the account's turn, and perhaps our claim for that.
TEST_F(ResumeTest, WhatIsStoredIsNotTakenBeforeTheClaimIsAnswered) {
  Leave([](session::v1::QueueHeader&) {}, {});
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  const auto kept = [](std::uint32_t place) {
    return [place](link::v1::Envelope& envelope) {
      envelope.set_kept(true);
      envelope.set_batch_place(place);
    };
  };
  Deliver("left", Message("1"), kept(1));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  client.Until("h='0'/>");
  // Of one batch.
  Deliver("left", Message("2"), kept(2));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 2; }));
  Deliver("left", Message("1"), kept(1));
  Deliver("left", Message("2"), kept(2));
  EXPECT_EQ(client.Until(Message("2")), Message("1") + Message("2"));
}

// What had come meanwhile is told by what the session has, not by what this edge gave it at another time.
TEST_F(ResumeTest, WhatWasHereBeforeAndIsNotInTheQueueIsNew) {
  Leave([](session::v1::QueueHeader&) {}, {});
  const auto repeat = [](bool again) {
    return [again](link::v1::Envelope& envelope) {
      envelope.set_origin("origin");
      envelope.set_origin_seq(6);
      envelope.set_repeat(again);
    };
  };
  Client client(edge_.port());
  Resume(client, "left", 0);
  Deliver("left", Message("6"), repeat(false));
  client.Until(Message("6"));
  HandOver("left");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  Leave([](session::v1::QueueHeader&) {}, {});
  Client again(edge_.port());
  Resume(again, "left", 0);
  Deliver("left", Message("6"), repeat(true));
  EXPECT_EQ(again.Until("/>"), Message("6"));
}

class HastyResumeTest : public ResumeTest {
 protected:
  HastyResumeTest()
      : ResumeTest([](config::Config& config) {
          config.c2s.sm_settle_wait = std::chrono::milliseconds(1);
          config.c2s.order_timeout = std::chrono::minutes(1);
        }) {}
};

TEST_F(HastyResumeTest, WhatRoutersDoNotTakeIsLeftToTheClient) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  HandOver(id);
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(AwaitSettled(1));
  EXPECT_FALSE(Contents().header.settled());
  EXPECT_EQ(Contents().header.handled(), 0u);
  EXPECT_EQ(edge_.Metric("parley_c2s_limits_total{limit=\"sm_settle_wait\"}"), 1);
  Deliver(id, Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().refused.empty(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused[0].second; }), link::v1::REFUSAL_REASON_NO_SESSION)
      << "it is not over";
}

// Its client may be back elsewhere at once.
TEST_F(ResumeTest, WhatASessionThatEndsHasTakenIsNotedBeforeAnotherEdgeGetsIt) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  client.Send("</stream:stream>");
  client.Rest();
  HandOver(id);
  Deliver("none", Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().refused.empty(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused.at(0).first.session(); }), "none") << "came behind";
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 2; }));
  EXPECT_EQ(Contents().header.handled(), 1u);
}

// The edge before may have passed on more than it noted, and the client has said nothing here.
TEST_F(ResumeTest, WhatIsHandedOnAtOnceIsAsSettledAsItCame) {
  for (const bool settled : {false, true}) {
    Leave([settled](session::v1::QueueHeader& header) { header.set_settled(settled); }, {});
    Client client(edge_.port());
    Resume(client, "left", 0);
    const auto before = edge_.OnLoop([this] { return edge_.router().settled; });
    HandOver("left");
    EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
    EXPECT_TRUE(AwaitSettled(before + 1));
    EXPECT_EQ(Contents().header.settled(), settled);
  }
}

TEST_F(ResumeTest, WhatOnlyWeKnowIsNotHandedOver) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx", "-rpush"});
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  HandOver(id);
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused.at(0).second; }), link::v1::REFUSAL_REASON_OVERLOADED);
  EXPECT_TRUE(AwaitSessions("away", 1));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx", "+rpush"});
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

class CrossingTest : public ResumeTest {
 protected:
  // Another edge claims the session before we hear that it is ours.
  void Cross(Client& client) {
    Leave([](session::v1::QueueHeader&) {}, {Queued("queued")});
    edge_.OnLoop([this] { edge_.router().hold_asks = true; });
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
    HandOver("left");
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  }
  void AnswerAll() {
    edge_.OnLoop([this] {
      edge_.router().hold_asks = false;
      edge_.router().AnswerHeld();
    });
  }
};

TEST_F(CrossingTest, WhatIsClaimedByAnotherBeforeWeHaveItIsAskedForAgain) {
  Client client(edge_.port());
  Cross(client);
  AnswerAll();
  EXPECT_THAT(client.Until(">"), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("queued")), Message("queued"));
}

TEST_F(CrossingTest, WhatIsOverThenIsNotFound) {
  Client client(edge_.port());
  Cross(client);
  edge_.OnLoop([this] {
    auto& resumed = edge_.router().resumed;
    resumed.Clear();
    resumed.set_condition("item-not-found");
  });
  AnswerAll();
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
      : ResumeTest([](config::Config& config) {
          config.c2s.router_timeout = std::chrono::minutes(5);
          config.c2s.order_timeout = std::chrono::minutes(5);
          config.c2s.sm_resume_wait = std::chrono::milliseconds(100);
        }) {}
};

// Its client may have the session elsewhere by now, and lose it to us.
TEST_F(PatientResumeTest, NothingIsClaimedForAClientThatHasGone) {
  edge_.OnLoop([this] {
    edge_.router().resumed.set_condition("resource-constraint");
    edge_.router().hold = true;
  });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='busy' h='0'/><r xmlns='urn:xmpp:sm:3'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().asks.size() > 1; }));
  client.connection().SendEnd();
  EXPECT_TRUE(AwaitEnd("left"));
  Deliver("busy", Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().refused.empty(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused[0].second; }), link::v1::REFUSAL_REASON_NO_SESSION)
      << "it is not over";
}

// Its client is told so soon, as it can have the session where that is.
TEST_F(PatientResumeTest, ASessionThatStaysWithItsEdgeIsNotWaitedForLong) {
  edge_.OnLoop([this] {
    edge_.router().resumed.set_condition("resource-constraint");
    edge_.router().resumed.set_stays(true);
  });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='elsewhere' h='0'/>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "resource-constraint");
}

// Whoever sent it sends the next where the session is now.
TEST_F(PatientResumeTest, WhatComesForASessionThatAnotherHasGoesBackAtOnce) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] {
    edge_.router().hold = true;
    edge_.router().restore_ok = false;
  });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  edge_.redis().Call({"RENAME", queue_, queue_ + ".claimed"});
  Deliver(id, Message("1"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

}  // namespace
}  // namespace parley::c2s::testing

// Sessions of an edge that is cut off, or was stopped, and may have been claimed from it.
#include "services/c2s/testing/doubt_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// It would not hear that no router takes it, and sends it again if it is not handled.
TEST_F(LonelyTest, WhatAClientSaidBeforeItWentAwayWaitsForARouter) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.StopRouter();
  ASSERT_TRUE(AwaitUnready());
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(AwaitSaid(1));
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
  ASSERT_TRUE(AwaitUnready());  // its lease has lapsed
  edge_.StopRouter();
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  const std::string rest = again.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "resource-constraint");
  EXPECT_THAT(rest, Not(HasSubstr("<failed")));
  edge_.redis().Start();
}

TEST_F(StoppedTest, WhatClientsSaidMeanwhileWaitsUntilTheirSessionIsKnownToBeOurs) {
  Client client(edge_.port());
  Enable(client);
  HoldAsks();
  client.Send("<message to='juliet@example.org' id='1'/>");
  StopAWhile();
  client.Send("<message to='juliet@example.org' id='2'/>");
  ASSERT_TRUE(AwaitAsked());
  ASSERT_TRUE(AwaitSaid(2));
  const auto before = edge_.OnLoop([this] { return edge_.router().got.size(); });
  EXPECT_LE(before, 1u);  // the first, perhaps
  AnswerAsks();
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.id(); }), "2");
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// Its router waits for what it holds, in the turn for which what its edge has asked waits.
TEST_F(StoppedTest, WhatADismissedSessionHoldsGoesBackBeforeItIsKnownWhoseItIs) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  HoldAsks();
  StopAWhile();
  ASSERT_TRUE(AwaitAsked());
  Deliver(id, Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 1; }));
  edge_.redis().Call({"RENAME", queue_, session::QueueKey("romeo@example.org", "ended:" + id)});
  edge_.OnLoop([&] { edge_.router().Disconnect(id, "conflict"); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_FALSE(Ended());  // that it is over is said behind the answer
  AnswerAsks();
  EXPECT_TRUE(AwaitEnd("conflict"));
}

TEST_F(StoppedTest, WhatIsStoredStaysSoUntilItIsKnownWhoseTheSessionIs) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  HoldAsks();
  StopAWhile();
  ASSERT_TRUE(AwaitAsked());
  const auto kept = [](link::v1::Envelope& envelope) { envelope.set_kept(true); };
  Deliver(id, Message("1"), kept);
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  AnswerAsks();
  // Under its new lease, too.
  ASSERT_TRUE(
      edge_.Eventually([this] { return edge_.edge().ready() && edge_.Metric("parley_c2s_sessions_restoring") == 0; }));
  Deliver(id, Message("2"), kept);
  EXPECT_THAT(client.Until(Message("2")), Not(HasSubstr(Message("1"))));
}

// Its client says it again there.
TEST_F(StoppedTest, WhatClientsSaidMeanwhileIsForgottenIfOthersHaveTheirSession) {
  Client client(edge_.port());
  Enable(client);
  HoldAsks();
  StopAWhile();
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitAsked());
  ASSERT_TRUE(AwaitSaid(1));
  edge_.OnLoop([this] { edge_.router().restore_ok = false; });
  AnswerAsks();
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(AwaitEnd("conflict"));
  EXPECT_FALSE(GotMessage());
}

// The routers have it under the lease of before.
TEST_F(StoppedTest, ASessionThatEndsBeforeItIsPutBackEndsUnderAnyLease) {
  Client client(edge_.port());
  Enable(client);
  HoldAsks();
  StopAWhile();
  ASSERT_TRUE(AwaitAsked());
  client.Send("</stream:stream>");
  client.Rest();
  AnswerAsks();
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

// A router stood still with it, or it came from the store, and what its sender said later was acknowledged before.
TEST_F(StoppedTest, WhatOthersQueuedMeanwhileMayBeOlderThanWhatWasAcknowledged) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  const auto number = [](std::uint64_t seq) {
    return [seq](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_MESSAGE);
      envelope.set_origin("origin");
      envelope.set_origin_seq(seq);
    };
  };
  for (const std::uint64_t seq : {8u, 10u}) Deliver(id, Message(std::to_string(seq)), number(seq));
  client.Until(Message("10"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(AwaitAcked(2));
  for (const std::uint64_t seq : {8u, 9u}) {
    link::v1::Envelope late;
    number(seq)(late);
    late.set_repeat(true);
    late.set_stanza(Message(std::to_string(seq)));
    edge_.redis().Call({"RPUSH", queue_, session::Encode(late, 1, 0)});
  }
  StopAWhile();
  EXPECT_EQ(client.Until(Message("9")), Message("9"));
}

// By a router that took its edge for dead, and queued the answer; another one is asked again, and answers, too.
TEST_F(StoppedTest, WhatTheQueueAnswersIsNotAnsweredAgain) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<iq type='get' id='q' to='juliet@example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto number = edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); });
  const auto answers = [number](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_id("q");
    envelope.set_answers(number);
    envelope.set_repeat(true);
  };
  link::v1::Envelope queued;
  answers(queued);
  queued.set_stanza("<iq type='result' id='q'/>");
  edge_.redis().Call({"RPUSH", queue_, session::Encode(queued, 1, 0)});
  StopAWhile();
  client.Until(queued.stanza());
  Deliver(id, "<iq type='error' id='q'/>", answers);
  Deliver(id, Message("behind"));
  EXPECT_EQ(client.Until(Message("behind")), Message("behind"));
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
  ASSERT_TRUE(AwaitUnready());
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(AwaitSaid(1));
  client.Send("</stream:stream>");
  EXPECT_THAT(client.Rest(), Not(HasSubstr("<message")));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_deferred_stanzas") == 1; }));
  edge_.redis().Start();
}

}  // namespace
}  // namespace parley::c2s::testing

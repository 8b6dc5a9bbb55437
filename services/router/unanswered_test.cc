#include "libs/session/asked.h"
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a client was asked before its session ended.
class UnansweredTest : public testing::ManagedTest {
 protected:
  // A client that has acknowledged Juliet's request "q", and cannot be away.
  Client& Asked() {
    Begin();
    Client& romeo = Managed(first(), kOrchard, kShort);
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
    RunUntil([&] { return romeo.received().size() == 1; });
    first().Acknowledge(romeo, 1);
    return romeo;
  }
};

// Its edge has answered, but could not tell Redis.
TEST_F(UnansweredTest, NothingIsLeftOfAnEndedSession) {
  Begin();
  Client& romeo = Online(first(), kOrchard);
  Redis({"HSET", session::AskedKey("romeo@home.example", romeo.id()), "1", "x"});
  romeo.Close();
  RunUntil([&] { return Redis({"KEYS", "parley:a:*"}).empty(); });
}

// Nor of one whose edge could not tell Redis that its queue has what was noted before.
TEST_F(UnansweredTest, NothingIsLeftOfAnEndedSessionWithAQueue) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Redis({"HSET", session::AskedKey("romeo@home.example", romeo.id()), "1", "x"});
  romeo.Close();
  RunUntil([&] { return Redis({"KEYS", "parley:a:*"}).empty(); });
}

TEST_F(UnansweredTest, RequestsAreBouncedAndTheRestEnds) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  juliet().Send("<iq type='result' to='romeo@home.example/orchard' id='r'/>");
  juliet().Send("<presence><show>away</show></presence>");
  juliet().Send("<message to='romeo@home.example/orchard' id='n'><body>for this resource</body></message>");
  juliet().Send("<message to='romeo@home.example/orchard' type='error' id='e'/>");
  Settle();
  EXPECT_EQ(romeo.received().size(), 5u);
  juliet().Take();
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(AllOf(HasSubstr("<presence"), HasSubstr("unavailable")),
                                           AllOf(HasSubstr("id='q'"), HasSubstr("service-unavailable")),
                                           AllOf(HasSubstr("id='n'"), HasSubstr("service-unavailable"))));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"bounced\"}"), 2);
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"ended\"}"), 2);
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
}

// Its edge gives it back, as Redis did not answer, and has done all the same what it was told.
TEST_F(UnansweredTest, ARequestThatRedisHasAndItsEdgeGivesBackIsBouncedOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  RunUntil([&] { return first().frozen() == 1; });
  link::v1::Envelope late = edge().last();
  Redis({"RPUSH", session::QueueKey("romeo@home.example", romeo.queue()), session::Encode(late, 1, 0)});
  first().Lose(romeo);
  first().SetFrozen(false);
  romeo.Close();
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ::testing::UnorderedElementsAre(HasSubstr("'unavailable'"), HasSubstr("id='q'")));
}

TEST_F(UnansweredTest, ARequestThatWasAnsweredIsNotBounced) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (const std::string id : {"0", "1", "2"}) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  RunUntil([&] { return romeo.received().size() == 3; });
  first().Acknowledge(romeo, 1, {2});
  RunUntil([&] { return QueueLength(romeo.queue()) == "3"; });
  juliet().Take();
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable"), HasSubstr("id='2'")));
}

TEST_F(UnansweredTest, AcknowledgedRequestsWithoutAnswerAreBouncedBeforeTheOthers) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (const std::string id : {"0", "1", "2", "3"}) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  RunUntil([&] { return romeo.received().size() == 4; });
  first().Acknowledge(romeo, 3, {}, {"0", "2"});
  RunUntil([&] { return QueueLength(romeo.queue()) == "2"; });
  juliet().Take();
  romeo.Close();
  const auto bounced = [](const std::string& id) {
    return AllOf(HasSubstr("id='" + id + "'"), HasSubstr("from='romeo@home.example/orchard'"),
                 HasSubstr("service-unavailable"));
  };
  EXPECT_THAT(Received(juliet()), ElementsAre(bounced("0"), bounced("2"), HasSubstr("'unavailable'"), bounced("3")));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"bounced\"}"), 3);
}

// The first it has acknowledged and answered, the second acknowledged, the third answered.
TEST_F(UnansweredTest, WhatWasAnsweredWithoutRedisIsNotAnsweredAgain) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (const std::string id : {"1", "2", "3", "4"}) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  RunUntil([&] { return romeo.received().size() == 4; });
  redis_.Pause();
  juliet().Take();
  first().CloseUnnoted(romeo, 2, 2, {3}, {"2"});
  RunUntil([&] { return !Missing().empty(); });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_THAT(Received(juliet()),
              ::testing::UnorderedElementsAre(HasSubstr("'unavailable'"), HasSubstr("id='2'"), HasSubstr("id='4'")));
}

TEST_F(UnansweredTest, ARequestIsAnsweredOnceIfItsAnswerMayHaveArrived) {
  Client& romeo = Asked();
  romeo.Send("<iq type='result' to='juliet@home.example/balcony' id='q'/>");
  first().SetAnswering(romeo, "q", romeo.sent());
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("result")));
  KillEdge(first());
  RunUntil([&] { return RedisIsClean() && edge().repeats() == 1; });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

TEST_F(UnansweredTest, ARequestIsAnsweredIfItsAnswerDidNotArrive) {
  Client& romeo = Asked();
  first().SetAnswering(romeo, "q", romeo.sent() + 1);
  Settle();
  KillEdge(first());
  RunUntil([&] { return RedisIsClean() && juliet().received().size() == 2; });
  EXPECT_THAT(juliet().Take(), ::testing::Contains(AllOf(HasSubstr("<iq type='error'"), HasSubstr("id='q'"))));
}

}  // namespace
}  // namespace parley::router

// What becomes of a session whose edge is gone.
#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::OrphansTest;

constexpr char kControlsTaken[] = "parley_router_stanzas_total{kind=\"control\",leg=\"outbound\"}";

TEST_F(OrphansTest, ItsSessionStaysWhatItIsToEverybody) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  const std::string queue = romeo.queue();
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(1);
  Chat(2, "romeo@home.example");
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
  EXPECT_EQ(QueueLength(queue), "3");
  EXPECT_NE(RecordOf().away_since(), 0);
  Client& back = Resumed(second(), left);
  EXPECT_EQ(back.jid(), kOrchard);
  Chat(3);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(RecordOf().away_since(), 0);
  EXPECT_THAT(juliet().Take(), IsEmpty());
  RunUntil([&] { return Redis({"SMEMBERS", "parley:n"}).find("c2s-2/") == std::string::npos; });  // cleaned up after
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
}

// The edge of who asked may have died, too, and the client be elsewhere, with the answer.
TEST_F(OrphansTest, ARequestThatADeadEdgeHadIsAnsweredAsIfItHadBeenBefore) {
  Begin();
  Online(first(), "romeo@home.example/plain");
  first().SetFrozen(true);
  juliet().Send("<iq type='get' id='1' to='romeo@home.example/plain'><ping xmlns='urn:xmpp:ping'/></iq>");
  RunUntil([&] { return first().frozen() == 1; });
  juliet().Take();
  KillEdge(first());
  RunUntil([&] { return !juliet().received().empty(); });
  RunUntil([&] { return edge().doubtful_answers() == 1; });
}

// What says so to the reaper is written before Redis has the session as an orphan, and Redis goes in between.
TEST_F(OrphansTest, ItEndsThoughRedisWasAwayWhenItsEdgeLetItGo) {
  Configure(1, {"router.redis_patience=10m"});  // else it goes on without Redis
  Begin();
  Client& romeo = Managed(first(), kOrchard, kShort);
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  const double before = Metric(kControlsTaken);
  romeo.Close("left");
  RunUntil([&] { return Metric(kControlsTaken) > before; });
  JoinToRedis(0);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

// Its record at least: the reaper's index says when to look.
TEST_F(OrphansTest, OneThatRedisHasLostEnds) {
  Configure(1, {"router.redis_patience=10m"});
  Begin();
  Managed(first(), kOrchard, 2000).Close("left");
  RunUntilOrphaned();
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  Redis({"DEL", "parley:s:{romeo@home.example}"});
  JoinToRedis(0);
  RunUntil([&] { return !juliet().received().empty(); });
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

// Its client may not know that the edge is gone.
TEST_F(OrphansTest, ItHasGraceBeyondItsTime) {
  Configure(1, {"router.sm_orphan_grace=10m"});
  Begin();
  const Client left = Kill(first(), Managed(first(), kOrchard, kShort));
  RunUntilOrphaned();
  const double before = Metric("parley_router_accounts_invalidated_total");
  Redis({"HSET", "parley:s:{romeo@home.example}", "x", "y"});  // read anew, so that somebody looks at its time
  Redis({"HDEL", "parley:s:{romeo@home.example}", "x"});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
  Chat(1);
  Settle();
  ExpectIds(Resumed(second(), left), {"1"});
}

TEST_F(OrphansTest, ItEndsWhenItsTimeIsOver) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, kShort);
  const std::string index = "parley:n:c2s-2/" + first().epoch();
  Chat(1);
  Chat(2, "romeo@home.example");
  ExpectIds(romeo, Numbers(1, 3));
  first().SetHolding(true);
  Chat(3);
  RunUntil([&] { return Ids(romeo.received()).size() == 3; });
  const Client left = Kill(first(), romeo);
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(4);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 4; });
  RunUntil([&] { return RedisIsClean() && Redis({"EXISTS", index}) == "0"; });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Metric("parley_router_expired_sessions_total"), 1);
  Client& late = Resumed(second(), left);
  EXPECT_EQ(late.resumed().condition(), "item-not-found");
  EXPECT_TRUE(late.resumed().knows_handled());
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 5));
}

TEST_F(OrphansTest, WithoutResumptionItEndsAtOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, 0);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Metric("parley_router_orphaned_sessions_total"), 0);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, AnotherRouterGoesOn) {
  Configure(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard, kLong);
  Chat(1);
  ExpectIds(romeo, {"1"});
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  KillRouter(0);
  Chat(2);
  Settle();
  Client& back = Resumed(second(), left);
  ExpectIds(back, Numbers(1, 3));
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

TEST_F(OrphansTest, AnotherRouterEndsIt) {
  Configure(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard, 1500);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntilOrphaned();
  KillRouter(0);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, AFullQueueEndsIt) {
  Configure(1, {"c2s.sm_max_stanzas=10", "c2s.sm_request_stanzas=5"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Kill(first(), romeo);
  RunUntilOrphaned();
  for (int i = 1; i < 16; ++i) Chat(i);
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_max_stanzas\"}"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 16));
}

TEST_F(OrphansTest, WhatItsEdgeDoesNotKnowWaitsToo) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().Lose(romeo);
  Chat(2);
  Chat(3);
  RunUntilOrphaned();
  Chat(4);
  Settle();
  EXPECT_EQ(LengthNow(), "5");
  EXPECT_THAT(juliet().Take(), IsEmpty());
  ExpectIds(Resumed(second(), romeo), Numbers(1, 5));
}

TEST_F(OrphansTest, AndEndsThoughItsEdgeLives) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, kShort);
  first().Lose(romeo);
  Chat(1);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
  RunUntil([&] { return Redis({"KEYS", "parley:n:-/*"}).empty(); });
}

TEST_F(OrphansTest, ThoseOfLivingEdgesAreFoundInOnePlace) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& other = Managed(first(), "romeo@home.example/street");
  romeo.Close("left");
  other.Close("left");
  RunUntilOrphaned(2);
  Settle();
  const std::string index = Redis({"KEYS", "parley:n:-/*"});
  EXPECT_EQ(Redis({"SCARD", index}), "2");
  for (const auto* left : {&romeo, &other}) Resumed(second(), *left);
  RunUntil([&] { return Redis({"EXISTS", index}) == "0"; });  // there is nothing to clean up any more
  Client& third = Managed(first(), "romeo@home.example/square", kShort);
  third.Close("left");
  RunUntil([&] { return RecordOf("square").session().empty(); });
  RunUntil([&] { return Redis({"EXISTS", index}) == "0"; });
}

TEST_F(OrphansTest, WhatItsEdgeLeftIsOneAtOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& young = Managed(first(), "romeo@home.example/street", 0);
  Chat(1);
  ExpectIds(romeo, {"1"});
  romeo.Close("left");
  young.Close("left");
  Settle();
  EXPECT_NE(RecordOf().away_since(), 0);
  EXPECT_THAT(juliet().Take(), ElementsAre(AllOf(HasSubstr("street"), HasSubstr("unavailable"))));
  Chat(2);
  ExpectIds(Resumed(second(), romeo), {"1", "2"});
}

TEST_F(OrphansTest, WhatIsSaidOfAnEarlierClaimIsStale) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& back = Resumed(first(), romeo);
  romeo.Close("left");
  romeo.Close("timeout");
  Settle();
  EXPECT_EQ(RecordOf().queue(), back.queue());
  EXPECT_EQ(RecordOf().away_since(), 0);
  back.Close("left");
  Settle();
  EXPECT_NE(RecordOf().away_since(), 0);
}

TEST_F(OrphansTest, TooManyBytesEndIt) {
  Configure(1, {"c2s.sm_max_bytes=65536", "c2s.sm_request_bytes=32768"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntilOrphaned();
  const std::string body(30000, 'x');
  for (const std::string id : {"2", "3", "4", "5"}) {
    juliet().Send("<message type='chat' to='" + std::string(kOrchard) + "' id='" + id + "'><body>" + body +
                  "</body></message>");
  }
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_max_bytes\"}"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 6));
}

TEST_F(OrphansTest, WaitsForRedis) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  Settle();
  EXPECT_EQ(LengthNow(), "2");
  redis_.Pause();
  Chat(2);  // may have come to Redis
  RunUntil([&] { return !Missing().empty(); });
  Chat(3);
  RunUntil([&] { return Metric("parley_router_stanzas_total{kind=\"message\",leg=\"inbound\"}") == 3; });
  redis_.Resume();
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
  EXPECT_EQ(LengthNow(), "4");
  ExpectIds(Resumed(second(), romeo), Numbers(1, 4));
}

TEST_F(OrphansTest, WaitsForRedisAsLongEachTime) {
  constexpr std::chrono::milliseconds kPatience{300};
  Configure(1, {"router.delivery_timeout=300ms", "router.redis_patience=10m"});
  Begin();
  Kill(first(), Managed(first(), kOrchard));
  RunUntilOrphaned();
  Settle();
  for (const int number : {1, 2}) {
    CutFromRedis(0);
    RunUntil([&] { return !Missing().empty(); });
    const auto before = std::chrono::steady_clock::now();
    Chat(number);
    RunUntil([&] { return !juliet().received().empty(); });
    EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("resource-constraint")));
    EXPECT_GE(std::chrono::steady_clock::now() - before, kPatience);
    JoinToRedis(0);
    RunUntil([&] { return Missing().empty(); });
  }
}

TEST_F(OrphansTest, ItsEdgesWordEndsIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  romeo.Close();  // was on its way already
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, ItsResourceCanBeHad) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(1);
  Settle();
  Client& young = second().Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REFUSE_NEW);
  RunUntil([&] { return second().answered(young); });
  EXPECT_EQ(young.jid(), kOrchard);
  ExpectIds(young, {"1"});
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

TEST_F(OrphansTest, AnswersAndPresenceAreQueuedToo) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  romeo.Send("<iq type='get' to='juliet@home.example/balcony' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  Settle();
  EXPECT_EQ(juliet().Take().size(), 1u);
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  juliet().Send("<iq type='result' to='romeo@home.example/orchard' id='q'/>");
  juliet().Send("<presence><show>away</show></presence>");
  Settle();
  const Client& back = Resumed(second(), left);
  Settle();
  EXPECT_THAT(back.received(), ElementsAre(HasSubstr("id='q'"), HasSubstr("away")));
}

}  // namespace
}  // namespace parley::router

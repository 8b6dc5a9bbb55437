#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using ResumptionTest = testing::ManagedTest;

TEST_F(ResumptionTest, EnablingMakesTheQueue) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  EXPECT_EQ(RecordOf().queue(), romeo.queue());
  EXPECT_EQ(RecordOf().resume_ms(), kLong);
  EXPECT_EQ(QueueLength(romeo.queue()), "1");
  const std::string queue = romeo.queue();
  first().Enable(romeo, 1);  // under another name
  RunUntil([&] { return first().answered(romeo); });
  EXPECT_EQ(romeo.queue(), queue);
  EXPECT_EQ(RecordOf().resume_ms(), kLong);
}

TEST_F(ResumptionTest, ASessionThatIsOverIsNotEnabled) {
  Begin();
  Client& romeo = Online(first(), kOrchard);
  romeo.Close();
  Settle();
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  EXPECT_EQ(romeo.queue(), "");
  EXPECT_TRUE(RedisIsClean());
}

// Redis did it, but so late that the client was told that it failed, and left.
TEST_F(ResumptionTest, AQueueThatWasMadeTooLateIsNotLeftBehind) {
  Begin();
  Client& romeo = Online(first(), kOrchard);
  redis_.Pause();
  first().Enable(romeo, kLong);
  RunUntil([&] { return !Missing().empty(); });
  romeo.Close();
  redis_.Resume();
  RunUntil([&] { return Redis({"EXISTS", "parley:s:{romeo@home.example}"}) == "0"; });
  RunUntil([&] { return Redis({"KEYS", "parley:q:*"}).empty(); });
  RunUntil([&] { return RedisIsClean(); });
}

TEST_F(ResumptionTest, AQueueThatMayHaveBeenMadeIsNoReasonNotToMakeOne) {
  Begin();
  Client& romeo = Online(first(), kOrchard);
  redis_.Pause();
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  ASSERT_EQ(romeo.queue(), "");
  redis_.Resume();
  RunUntil([&] { return Missing().empty(); });
  ASSERT_NE(Redis({"KEYS", "parley:q:*"}), "") << "it was";
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  ASSERT_NE(romeo.queue(), "");
  RunUntil([&] { return Redis({"KEYS", "parley:q:*"}) == session::QueueKey("romeo@home.example", romeo.queue()); });
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().Enable(romeo, kLong);
  const std::string queue = romeo.queue();
  RunUntil([&] { return first().answered(romeo); });
  EXPECT_EQ(RecordOf().queue(), queue) << "it has one";
}

// Its edge was taken for dead meanwhile.
TEST_F(ResumptionTest, AQueueThatMayHaveBeenMadeStaysIfThereIsSomethingInIt) {
  Begin();
  Client& romeo = Online(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  link::v1::Envelope message = edge().last();
  redis_.Pause();
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  redis_.Resume();
  RunUntil([&] { return Missing().empty(); });
  const std::string queue = Redis({"KEYS", "parley:q:*"});
  ASSERT_NE(queue, "");
  message.set_origin_seq(message.origin_seq() + 1);
  Redis({"RPUSH", queue, session::Encode(message, 1, 0)});
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  EXPECT_EQ(romeo.queue(), "");
  romeo.Close();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(ResumptionTest, OnlySoManyQueuesThatMayHaveBeenMadeAreRemembered) {
  Configure(1, {"router.max_doubtful_queues=0"});
  Begin();
  Client& romeo = Online(first(), kOrchard);
  redis_.Pause();
  first().Enable(romeo, kLong);
  RunUntil([&] { return Metric("parley_router_limits_total{limit=\"max_doubtful_queues\"}") == 1; });
  romeo.Close();
  redis_.Resume();
  RunUntil([&] { return Redis({"EXISTS", "parley:s:{romeo@home.example}"}) == "0"; });
}

TEST_F(ResumptionTest, ALivingEdgeHandsOver) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (int i = 1; i < 4; ++i) Chat(i);
  ExpectIds(romeo, Numbers(1, 4));
  first().Acknowledge(romeo, 1);
  Client& back = Resumed(second(), romeo);
  EXPECT_EQ(back.jid(), kOrchard);
  EXPECT_TRUE(romeo.handed_over());
  Chat(4);
  ExpectIds(back, Numbers(2, 5));
  EXPECT_EQ(QueueLength(romeo.queue()), "0");
  EXPECT_EQ(RecordOf().node(), "c2s-3");
  EXPECT_EQ(RecordOf().queue(), back.queue());
  EXPECT_EQ(back.resumed().record().presence(), RecordOf().presence());
  EXPECT_EQ(Redis({"EXISTS", "parley:n:c2s-2/" + first().epoch()}), "0");
  EXPECT_EQ(Redis({"SCARD", "parley:n:c2s-3/" + second().epoch()}), "1");
  EXPECT_THAT(juliet().Take(), IsEmpty());  // nobody noticed
  EXPECT_EQ(Metric("parley_router_handovers_total{outcome=\"handed_over\"}"), 1);
  EXPECT_EQ(Metric("parley_router_resumptions_total{outcome=\"resumed\"}"), 1);
}

TEST_F(ResumptionTest, AnEdgeResumesItsOwn) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Client& back = Resumed(first(), romeo);
  EXPECT_TRUE(romeo.handed_over());
  Chat(2);
  ExpectIds(back, {"1", "2"});
  EXPECT_EQ(Metric("parley_router_orphaned_sessions_total"), 0);
}

TEST_F(ResumptionTest, AKilledEdgeNeedNotBeKnownToBeDead) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Client copy(second(), "romeo@home.example", romeo.id());
  KillEdge(first());
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(2);  // waits for the edge to come back
  Chat(3);
  Client& back = Resumed(second(), copy);
  Chat(4);
  ExpectIds(back, Numbers(1, 5));
  EXPECT_EQ(Metric("parley_router_orphaned_sessions_total"), 0);
}

TEST_F(ResumptionTest, WhatTheKilledEdgeHadQueuedComesOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetHolding(true);
  Chat(1);
  Chat(2);
  RunUntil([&] { return romeo.received().size() == 2; });
  Client copy(second(), "romeo@home.example", romeo.id());
  KillEdge(first());
  Client& back = Resumed(second(), copy);
  Chat(3);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(second().repeats(), 2);
}

TEST_F(ResumptionTest, WhatDoesNotExistIsNotResumed) {
  Begin();
  Client& answer = Resumed(second(), Client(second(), "romeo@home.example", "nothing"));
  EXPECT_EQ(answer.jid(), "");
  EXPECT_EQ(answer.resumed().condition(), "item-not-found");
  EXPECT_FALSE(answer.resumed().knows_handled());
}

TEST_F(ResumptionTest, WithAcknowledgementsAloneThereIsNoResumption) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, 0);
  Client& answer = Resumed(second(), romeo);
  EXPECT_EQ(answer.resumed().condition(), "item-not-found");
  EXPECT_FALSE(romeo.handed_over());
  Chat(1);
  ExpectIds(romeo, {"1"});
}

TEST_F(ResumptionTest, AskedAgainTheAnswerIsTheSame) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Resumed(second(), romeo, "chosen");
  Client& again = Resumed(second(), romeo, "chosen");
  EXPECT_EQ(again.jid(), kOrchard);
  EXPECT_EQ(again.resumed().record().queue(), "chosen");
  EXPECT_EQ(Metric("parley_router_handovers_total{outcome=\"handed_over\"}"), 1);
}

TEST_F(ResumptionTest, WhatComesMeanwhileWaits) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(1);
  Client& back = second().Resume(romeo);
  RunUntil([&] { return first().frozen() == 2; });  // it is asked
  for (int i = 2; i < 10; ++i) Chat(i);
  RunUntil([&] { return Metric("parley_router_parked") == 8; });
  first().SetFrozen(false);
  RunUntil([&] { return second().answered(back); });
  EXPECT_EQ(back.jid(), kOrchard);
  ExpectIds(back, Numbers(1, 10));
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 2));
  EXPECT_EQ(Metric("parley_router_parked"), 0);
}

TEST_F(ResumptionTest, AFrozenEdgeKeepsItsSession) {
  Configure(1, {"router.handover_timeout=200ms"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Chat(1);
  Client& refused = Resumed(second(), romeo);
  EXPECT_EQ(refused.resumed().condition(), "resource-constraint");
  EXPECT_EQ(RecordOf().node(), "c2s-2");
  Chat(2);  // behind the question, which will have it refused
  first().SetFrozen(false);
  RunUntilOrphaned();
  Chat(3);
  Client& back = Resumed(second(), romeo);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(Metric("parley_router_handovers_total{outcome=\"late\"}"), 1);
  EXPECT_EQ(Metric("parley_router_resumptions_total{outcome=\"busy\"}"), 1);
}

TEST_F(ResumptionTest, AnEdgeThatIsKilledWhileItHandsOverIsNotWaitedFor) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(1);
  Client& back = second().Resume(romeo);
  RunUntil([&] { return first().frozen() == 2; });
  Chat(2);
  KillEdge(first());
  RunUntil([&] { return second().answered(back); });
  EXPECT_EQ(back.jid(), kOrchard);
  Chat(3);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(Metric("parley_router_handovers_total{outcome=\"gone\"}"), 1);
}

TEST_F(ResumptionTest, OfflineMessagesThatAnEdgeDidNotTakeComeThen) {
  Begin();
  for (int i = 1; i < 4; ++i) Chat(i, "romeo@home.example");
  Settle();
  Client& romeo = Login(first(), kOrchard);
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  first().SetOverloaded(true);
  romeo.Send("<presence/>");
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
  Client& back = Resumed(second(), romeo);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
}

TEST_F(ResumptionTest, OfTwoClaimsAtOnceOneStays) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Client& one = second().Resume(romeo);
  Client& two = edge().Resume(romeo);
  RunUntil([&] { return second().answered(one) && edge().answered(two); });
  Chat(2);
  Settle();
  EXPECT_NE(one.handed_over(), two.handed_over());
  Client& winner = one.handed_over() ? two : one;
  EXPECT_EQ(RecordOf().queue(), winner.queue());
  EXPECT_THAT(Ids(winner.received()), ElementsAre("1", "2"));
  EXPECT_EQ(QueueLength(winner.queue()), "3");
}

TEST_F(ResumptionTest, AClaimThatAnotherRouterMadeIsSeen) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  // By an edge that has no link to us.
  auto record = RecordOf();
  record.set_node("c2s-9");
  record.set_queue("theirs");
  record.set_revision(record.revision() + 1);
  Redis({"HSET", "parley:s:{romeo@home.example}", "orchard",
         record.session() + " " + std::to_string(record.revision()) + "\n" + record.SerializeAsString()});
  Redis({"RENAME", session::QueueKey("romeo@home.example", romeo.queue()),
         session::QueueKey("romeo@home.example", "theirs")});
  Chat(2);  // the old edge finds no queue, and gives it back
  Client& back = Resumed(second(), romeo);
  ExpectIds(back, {"1", "2"});
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 2));
}

TEST_F(ResumptionTest, WhatNobodyHasAnyMoreIsAnOrphan) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Client& refused = second().Resume(romeo);
  RunUntil([&] { return first().frozen() == 1; });  // the question
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  first().SetFrozen(false);
  RunUntil([&] { return second().answered(refused); });
  EXPECT_TRUE(romeo.handed_over());
  EXPECT_EQ(refused.resumed().condition(), "resource-constraint");
  RunUntilOrphaned();
  redis_.Resume();
  RunUntil([&] { return Redis({"KEYS", "parley:n:-/*"}) != "" && RecordOf().away_since() != 0; });
  Chat(1);
  ExpectIds(Resumed(second(), romeo), {"1"});
}

// Nobody would have it then: what is sent to it had to wait for Redis.
TEST_F(ResumptionTest, WithoutRedisASessionStaysWhereItIs) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  const auto refused = Resumed(second(), romeo).resumed();
  EXPECT_EQ(refused.condition(), "resource-constraint");
  EXPECT_TRUE(refused.stays());
  EXPECT_FALSE(romeo.handed_over());
  redis_.Resume();
  RunUntil([&] { return Missing().empty(); });
  Chat(1);
  ExpectIds(romeo, {"1"});
  ExpectIds(Resumed(second(), romeo), {"1"});
}

TEST_F(ResumptionTest, WhatWaitsForASessionThatIsGoneIsHandled) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Client& refused = second().Resume(romeo);
  RunUntil([&] { return first().frozen() == 1; });  // the question
  Chat(1);
  RunUntil([&] { return Metric("parley_router_parked") == 1; });
  Redis({"DEL", "parley:s:{romeo@home.example}"});  // as another router would end it
  first().SetFrozen(false);
  RunUntil([&] { return second().answered(refused); });
  EXPECT_EQ(refused.resumed().condition(), "item-not-found");
  Settle();
  EXPECT_EQ(Metric("parley_router_parked"), 0);
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

TEST_F(ResumptionTest, AChangeThatRedisMissedKeepsAClaim) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  auto record = RecordOf();
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  romeo.Send("<presence><priority>7</priority><show>away</show></presence>");
  RunUntil([&] { return !juliet().received().empty(); });
  redis_.Resume();
  // By means of another router.
  record.set_node("c2s-3");
  record.set_node_epoch(second().epoch());
  record.set_queue("theirs");
  record.set_revision(record.revision() + 1);
  Redis({"HSET", "parley:s:{romeo@home.example}", "orchard",
         record.session() + " " + std::to_string(record.revision()) + "\n" + record.SerializeAsString()});
  Redis({"RENAME", session::QueueKey("romeo@home.example", romeo.queue()),
         session::QueueKey("romeo@home.example", "theirs")});
  RunUntil([&] { return Missing().empty(); });
  Chat(1);
  RunUntil([&] { return RecordOf().priority() == 7; });
  EXPECT_EQ(RecordOf().node(), "c2s-3");
  EXPECT_EQ(RecordOf().queue(), "theirs");
  EXPECT_THAT(RecordOf().presence(), HasSubstr("away"));
  // Perhaps behind his own presence, if Redis did not take that from his first edge.
  const std::string theirs = session::QueueKey("romeo@home.example", "theirs");
  RunUntil([&] { return Redis({"LRANGE", theirs, "0", "-1"}).find("id='1'") != std::string::npos; });
}

TEST_F(ResumptionTest, AQueueThatIsLostEndsTheSession) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Redis({"DEL", session::QueueKey("romeo@home.example", romeo.queue())});
  Client& answer = Resumed(second(), romeo);
  EXPECT_EQ(answer.resumed().condition(), "item-not-found");
  EXPECT_FALSE(answer.resumed().knows_handled());
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  RunUntil([&] { return RedisIsClean(); });
}

// What its edge queued in between is in no router's memory.
// This router had lost Redis meanwhile: to it, the session looks like one that Redis has lost.
TEST_F(ResumptionTest, WhatAnotherRouterHasEndedIsOver) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Redis({"FLUSHALL"});
  RunUntil([&] { return Metric("parley_router_rosters_cached") == 0; });
  EXPECT_EQ(Resumed(second(), romeo).resumed().condition(), "resource-constraint");
  Redis({"SET", "parley:e:{romeo@home.example}:" + romeo.id(), "2"});
  Client& answer = Resumed(second(), romeo);
  EXPECT_EQ(answer.resumed().condition(), "item-not-found");
  EXPECT_EQ(answer.resumed().handled(), 2u);
}

TEST_F(ResumptionTest, ALateResumptionIsToldWhatWasHandled) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  romeo.Send("<message to='juliet@home.example'><body>1</body></message>");
  romeo.Send("<message to='juliet@home.example'><body>2</body></message>");
  Settle();
  Chat(1);  // notes what is handled
  ExpectIds(romeo, {"1"});
  romeo.Close("timeout");
  Client& answer = Resumed(second(), romeo);
  EXPECT_EQ(answer.resumed().condition(), "item-not-found");
  EXPECT_TRUE(answer.resumed().knows_handled());
  EXPECT_EQ(answer.resumed().handled(), 2u);
  Settle();
  EXPECT_NE(Redis({"PTTL", "parley:e:{romeo@home.example}:" + romeo.id()}), "-1");
}

}  // namespace
}  // namespace parley::router

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Other routers, or this one after Redis was away, take care of what a session left, too.
class UnacknowledgedTwiceTest : public testing::ManagedTest {
 protected:
  // Romeo has not acknowledged these messages; the first is on its way to the roster service, the others wait for that.
  Client& CloseWhileTheRosterHolds(int messages) {
    Configure(1, {"router.offline_batch=1"});
    Begin();
    Client& romeo = Managed(first(), kOrchard);
    for (int i = 1; i <= messages; ++i) Chat(i);
    ExpectIds(romeo, Numbers(1, messages + 1));
    roster_->SetHolding(true);
    romeo.Close();
    RunUntil([&] { return roster_->held() > 0; });
    return romeo;
  }
};

// Redis may do late what it was told; the router that was told no more by it may have queued that, too.
TEST_F(UnacknowledgedTwiceTest, WhatAQueueHoldsTwiceIsHandledOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  link::v1::Envelope late = edge().last();
  Redis({"RPUSH", session::QueueKey("romeo@home.example", romeo.queue()), session::Encode(late, 1, 0)});
  romeo.Close();
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(UnacknowledgedTwiceTest, ARouterThatDiedInTheMiddleIsSucceeded) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  auto record = RecordOf();
  const std::string queue = session::QueueKey("romeo@home.example", romeo.queue());
  const std::string retired = session::QueueKey("romeo@home.example", "ended:" + romeo.id());
  record.set_queue("ended:" + romeo.id());
  record.set_resume_ms(0);
  const auto die = [&] {
    KillRouter(0);
    Redis({"HDEL", "parley:s:{romeo@home.example}", "orchard"});
    Redis({"HSET", "parley:s:{romeo@home.example}", "\n" + romeo.id(),
           record.session() + " 9\n" + record.SerializeAsString()});
    StartRouter(0);
    RunUntil([&] { return HasEdge("c2s-1") && HasEdge("c2s-2") && HasEdge("c2s-3"); });
  };
  const std::string elements = Redis({"DUMP", queue});
  Redis({"RENAME", queue, retired});
  first().Lose(romeo);
  die();
  Chat(3, "romeo@home.example");
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  // It had come to the very end of it.
  Redis({"RESTORE", retired, "0", elements});
  die();
  Chat(4, "romeo@home.example");
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 4);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 5));
}

TEST_F(UnacknowledgedTwiceTest, WhatAnotherRouterHasTakenCareOfMeanwhileIsLeftAlone) {
  const Client& romeo = CloseWhileTheRosterHolds(3);
  FinishElsewhere(romeo);
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));  // which was on its way
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"elsewhere\"}"), 2);
}

TEST_F(UnacknowledgedTwiceTest, WhatRedisHasLostMeanwhileIsHandledAllTheSame) {
  CloseWhileTheRosterHolds(3);
  Redis({"FLUSHALL"});
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
}

TEST_F(UnacknowledgedTwiceTest, WhatCannotBeKnownToBeOwedWaitsForRedis) {
  CloseWhileTheRosterHolds(4);
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  roster_->SetHolding(false);
  Chat(5, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });  // nobody is held up
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"1", "5", "2", "3", "4"}));
}

TEST_F(UnacknowledgedTwiceTest, NotTooMuchWaitsForRedisBesideItsAccount) {
  Configure(1, {"router.max_deferred=1", "router.offline_batch=1"});
  Begin();
  const std::string mercutio = "mercutio@home.example/street";
  Client& romeo = Managed(first(), kOrchard);
  Client& other = Managed(second(), mercutio);
  for (int i = 1; i < 4; ++i) Chat(i);
  for (int i = 4; i < 7; ++i) Chat(i, mercutio);
  ExpectIds(romeo, Numbers(1, 4));
  ExpectIds(other, Numbers(4, 7));
  roster_->SetHolding(true);
  romeo.Close();
  other.Close();
  RunUntil([&] { return roster_->held() == 2; });
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  roster_->SetHolding(false);
  RunUntil([&] { return Metric("parley_router_limits_total{limit=\"max_deferred\"}") == 1; });
  RunUntil([&] { return Metric("parley_router_deferred") == 2; });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_deferred"), 0);
  EXPECT_EQ(Ids(juliet().received()), Numbers(4, 7));  // nothing is stored for Mercutio: they are bounced
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

TEST_F(UnacknowledgedTwiceTest, AnAnswerThatComesTooLateIsAskedForAgain) {
  CloseWhileTheRosterHolds(2);
  Redis({"CLIENT", "PAUSE", "1000"});
  roster_->SetHolding(false);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  EXPECT_GE(Metric("parley_router_standstills_total"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(UnacknowledgedTwiceTest, ContactsAreToldByTheRouterThatTakesCareOfIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Chat(1);
  RunUntil([&] { return first().frozen() == 1; });
  const std::string retired = "\n" + romeo.id();
  edge().Kick(romeo);
  RunUntil([&] { return Redis({"HEXISTS", "parley:s:{romeo@home.example}", retired}) == "1"; });
  FinishElsewhere(romeo);
  first().SetFrozen(false);
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

TEST_F(UnacknowledgedTwiceTest, WaitsForRedis) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  romeo.Close();
  Chat(2, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 1; });  // nobody is held up
  redis_.Resume();
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  Settle();
  RunUntil([&] { return RedisIsClean(); });
}

// Which may die before it has.
TEST_F(UnacknowledgedTwiceTest, WhatAnotherRouterHasBegunToTakeCareOfWhileRedisWasAwayIsHandledAgain) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  auto record = RecordOf();
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  romeo.Close();
  Chat(2, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 1; });  // it is over
  roster_->SetHolding(true);
  redis_.Resume();
  const std::string sessions = "parley:s:{romeo@home.example}";
  const std::string retired = "\n" + romeo.id();
  const std::string queue = session::QueueKey("romeo@home.example", romeo.queue());
  record.set_revision(record.revision() + 1);
  record.set_queue("ended:" + romeo.id());
  Redis({"HDEL", sessions, "orchard"});
  Redis({"HSET", sessions, retired,
         record.session() + " " + std::to_string(record.revision()) + "\n" + record.SerializeAsString()});
  Redis({"RENAME", queue, session::QueueKey("romeo@home.example", record.queue())});
  RunUntil([&] { return roster_->held() > 0; });
  EXPECT_EQ(Redis({"HEXISTS", sessions, retired}), "1");
  roster_->SetHolding(false);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"2", "1"}));
}

}  // namespace
}  // namespace parley::router

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;

// What is delivered again to a session that has ended.
class PastQueuesTest : public testing::ManagedTest {};

TEST_F(PastQueuesTest, WhatWasInAQueueThatAnotherRouterTookCareOfIsRecognised) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard);
  other.Take();
  first().SetHolding(true);
  Chat(1);
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  first().Lose(romeo);
  first().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Redis({"RENAME", session::QueueKey("romeo@home.example", romeo.queue()),
         "parley:p:{romeo@home.example}:" + romeo.id()});
  Redis({"HDEL", "parley:s:{romeo@home.example}", "orchard"});
  first().Reconnect();
  RunUntil([&] { return HasEdge("c2s-2"); });
  Chat(2, "romeo@home.example");
  ExpectIds(other, {"2"});
}

// It cannot be known yet whether it was in there.
TEST_F(PastQueuesTest, WhatComesBackForAnEndedSessionWaitsForItsQueueIfThatWaitsForRedis) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(2);
  link::v1::Envelope queued = edge().last();
  Redis({"RPUSH", session::QueueKey("romeo@home.example", romeo.queue()), session::Encode(queued, 1, 0)});
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  romeo.Close();
  RunUntil([&] { return Metric("parley_router_sessions_ended_total") == 1; });
  first().SetFrozen(false);
  RunUntil([&] { return Metric("parley_router_deferred") + roster_->offline_count("romeo@home.example") == 2; });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"2", "1"}));
}

TEST_F(PastQueuesTest, WhatWasInAQueueIsRememberedForAWhile) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  romeo.Close();
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  const std::string past = "parley:p:{romeo@home.example}:" + romeo.id();
  EXPECT_EQ(Redis({"LLEN", past}), "2");
  EXPECT_GT(std::stoi(Redis({"PTTL", past})), 0);
}

TEST_F(PastQueuesTest, WhatIsForgottenForWantOfRoomIsCounted) {
  Configure(1, {"router.remember_queues=1", "router.remember_left=1"});
  Begin();
  for (int i = 1; i <= 2; ++i) {
    Client& romeo = Managed(first(), kOrchard);
    Chat(i);
    ExpectIds(romeo, {std::to_string(i)});
    romeo.Close();
    Settle();
  }
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"remember_queues\"}"), 1);
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"remember_left\"}"), 1);
}

}  // namespace
}  // namespace parley::router

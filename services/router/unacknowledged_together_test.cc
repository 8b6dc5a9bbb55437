// What a session left goes to the offline store in few rounds.
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;

constexpr char kRomeo[] = "romeo@home.example";

class UnacknowledgedTogetherTest : public testing::ManagedTest {
 protected:
  void BeginWith(std::vector<std::string> settings) {
    settings.emplace_back("router.roster_timeout=60s");  // nothing is asked twice for want of an answer
    Configure(1, std::move(settings));
    Begin();
  }
  // Romeo has not acknowledged these messages, numbered from 1.
  Client& Gets(int messages) {
    Client& romeo = Managed(first(), kOrchard);
    for (int i = 1; i <= messages; ++i) Chat(i);
    ExpectIds(romeo, Numbers(1, messages + 1));
    return romeo;
  }
  // So many are given to the store, which is slow.
  void AwaitRound(std::size_t messages) {
    RunUntil([&] { return roster_->held() == messages && Metric("parley_router_storing") == messages; });
    EXPECT_EQ(Metric("parley_router_storing"), messages);
  }
  void SlowStore() { roster_->SetHolding(true, "store_offline"); }
  // All that it was given; it is slow again then.
  void Commit() {
    roster_->SetHolding(false);
    SlowStore();
  }
  // At most so many more: the end of a session itself asks so, too.
  static constexpr int kByItsEnd = 2;
  // How often Redis was asked whether something is owed (or the like).
  int Asked() {
    const std::string stats = Redis({"INFO", "commandstats"});
    const std::string calls = "cmdstat_exists:calls=";
    const auto at = stats.find(calls);
    return at == std::string::npos ? 0 : std::stoi(stats.substr(at + calls.size()));
  }
  std::size_t stored() const { return roster_->offline_count(kRomeo); }
};

TEST_F(UnacknowledgedTogetherTest, IsStoredInOneCommitAndAskedForOnce) {
  BeginWith({});
  Client& romeo = Gets(50);
  SlowStore();
  const int asked = Asked();
  romeo.Close();
  AwaitRound(50);
  EXPECT_LE(Asked(), asked + 1 + kByItsEnd);
  juliet().Take();
  Chat(51, kRomeo);
  juliet().Send("<iq type='get' id='v' to='home.example'><query xmlns='jabber:iq:version'/></iq>");
  RunUntil([&] { return !juliet().received().empty(); });  // so the message waits in its turn
  EXPECT_EQ(roster_->held(), 50u);
  Commit();
  AwaitRound(1);
  EXPECT_EQ(stored(), 50u);
  roster_->SetHolding(false);
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 52));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"stored\"}"), 50);
}

TEST_F(UnacknowledgedTogetherTest, IsAskedForAgainBehindEachCommit) {
  BeginWith({"router.offline_batch=10"});
  Client& romeo = Gets(25);
  SlowStore();
  const int asked = Asked();
  romeo.Close();
  for (const std::size_t round : {10, 10, 5}) {
    AwaitRound(round);
    Commit();
  }
  RunUntil([&] { return stored() == 25; });
  EXPECT_LE(Asked(), asked + 3 + kByItsEnd);
  roster_->SetHolding(false);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 26));
}

TEST_F(UnacknowledgedTogetherTest, NothingMoreIsStoredThatAnotherRouterHasTakenCareOfMeanwhile) {
  BeginWith({"router.offline_batch=10"});
  Client& romeo = Gets(25);
  SlowStore();
  romeo.Close();
  AwaitRound(10);
  FinishElsewhere(romeo);
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 11));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"elsewhere\"}"), 15);
}

TEST_F(UnacknowledgedTogetherTest, NorIfItWaitedForAPlace) {
  BeginWith({"router.max_storing=1"});
  Client& romeo = Gets(2);
  SlowStore();
  Chat(3, "mercutio@home.example");
  AwaitRound(1);
  romeo.Close();
  RunUntil([&] { return Metric("parley_router_storing_waiting") == 1; });
  FinishElsewhere(romeo);
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(stored(), 0u);
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"elsewhere\"}"), 2);
  EXPECT_EQ(Metric("parley_router_storing"), 0);
  Chat(4, "romeo@home.example");
  RunUntil([&] { return stored() == 1; });  // the place was given back
}

TEST_F(UnacknowledgedTogetherTest, ARouterThatDiesInTheMiddleIsSucceeded) {
  BeginWith({"router.offline_batch=10"});
  Client& romeo = Gets(25);
  SlowStore();
  romeo.Close();
  AwaitRound(10);
  Commit();
  AwaitRound(10);
  KillRouter(0);
  StartRouter(0);
  RunUntil([&] { return HasEdge("c2s-1") && HasEdge("c2s-2") && HasEdge("c2s-3"); });
  roster_->SetHolding(false);
  Chat(26, kRomeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(stored(), 26u);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 27));
}

TEST_F(UnacknowledgedTogetherTest, WhatTheStoreHasNoRoomForIsBouncedOnce) {
  BeginWith({});
  Client& romeo = Gets(20);
  roster_->SetOfflineQuota(5);
  juliet().Take();
  romeo.Close();
  RunUntil([&] { return Ids(juliet().received()).size() >= 15; });
  Settle();
  EXPECT_EQ(Ids(juliet().received()), Numbers(6, 21));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 6));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"bounced\"}"), 15);
}

TEST_F(UnacknowledgedTogetherTest, WhatIsInDoubtIsAskedForAgainInOrder) {
  BeginWith({"router.offline_batch=10", "router.roster_doubt_timeout=10m"});
  Client& romeo = Gets(15);
  roster::v1::Answer in_doubt;
  in_doubt.set_problem(roster::v1::PROBLEM_IN_DOUBT);
  roster_->TakeAsked();
  roster_->AnswerAll([&] { return in_doubt.SerializeAsString(); });
  romeo.Close();
  std::size_t asks = 0;
  RunUntil([&] { return (asks += roster_->TakeAsked().size()) > 10; });
  EXPECT_EQ(Metric("parley_router_storing"), 10);  // the others wait
  roster_->AnswerAll(nullptr);
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 16));
}

// Which has the same priority as the one that ended: it takes them all.
TEST_F(UnacknowledgedTogetherTest, GoesToTheOtherResourceInOrder) {
  BeginWith({});
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Gets(50);
  other.Take();
  const int asked = Asked();
  romeo.Close();
  ExpectIds(other, Numbers(1, 51));
  EXPECT_LE(Asked(), asked + 1 + kByItsEnd);
  EXPECT_EQ(stored(), 0u);
}

}  // namespace
}  // namespace parley::router

// A replica joins or drains while several processes send to it: at no time two replicas have the same key.
#include <gmock/gmock.h>

#include "libs/rpc/ring_testing.h"

namespace parley::rpc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RingChangeoverTest : public RingTest {
 protected:
  // Before what they use.
  ~RingChangeoverTest() override {
    other_.reset();
    ring_.reset();
    routers_.clear();
  }

  void MakeOther() {
    other_ = std::make_unique<Ring>(loop_, Self{"c2s", "c2s-2", "e"}, options_, other_edge_);
    RunUntil(loop_, [&] { return other_->available(); });
  }
  // Two edges know router 1, which serves.
  void MakeEdges() {
    MakeRouters(2);
    options_.link.settle_timeout = 1h;
    router(0).options.settle_timeout = router(1).options.settle_timeout = 1h;
    MakeRing({&router(0)});
    MakeOther();
    for (const auto& router : routers_) homes_.Add(router->instance());
  }
  // Router 2 is there, and everybody knows.
  void StartSecond() {
    router(1).Start("127.0.0.1", Standing::kStarting);
    RunUntil(loop_, [&] { return ring_->links().size() == 2 && (!other_ || other_->links().size() == 2); });
  }
  void Join() {
    router(1).server().Join([this] { ++joined_; });
  }
  void JoinSecond() {
    StartSecond();
    Join();
    RunUntil(loop_, [&] { return joined_ == 1; });
  }
  // What router 1 gets now it does not settle, which keeps whoever has sent it from yielding.
  void SendUnsettled(Ring& ring, const std::string& key = "busy@home") {
    router(0).hold = true;
    ring.Send(key, MakeEnvelope(key, 1), {});
    RunUntil(loop_, [&] { return router(0).receipts.size() == 1; });
    router(0).hold = false;
  }
  void SettleAll() { router(0).receipts.clear(); }
  // With both routers in the ring.
  std::string KeyFor(const Router& router, const std::string& name = "user") const {
    for (int i = 0;; ++i) {
      const std::string key = name + std::to_string(i) + "@home";
      if (*homes_.Choose(key) == router.instance()) return key;
    }
  }

  Edge other_edge_;
  std::unique_ptr<Ring> other_;
  Rendezvous homes_;
  int joined_ = 0;
};

TEST_F(RingChangeoverTest, OneThatStartsGetsNothingWhileAnotherServes) {
  MakeEdges();
  StartSecond();
  Send(KeyFor(router(1)), 1);
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_THAT(router(1).got, IsEmpty());
  router(0).Die();
  Send(KeyFor(router(1)), 2);
  RunUntil(loop_, [&] { return Numbers(router(1), KeyFor(router(1))) == Sequence({2}); });
}

// It lacks nothing: what it has it finishes.
TEST_F(RingChangeoverTest, OneThatStartsServesOnlyUntilAnotherDoes) {
  MakeRouters(2);
  router(0).Start("127.0.0.1", Standing::kStarting);
  MakeRing({});
  RunUntil(loop_, [&] { return ring_->available(); });
  router(0).hold = true;
  Send("romeo@home", 1);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 1; });
  router(1).Start();
  RunUntil(loop_, [&] { return ring_->settling("romeo@home"); });
  Send("romeo@home", 2);
  RunFor(loop_, 30ms);
  EXPECT_THAT(router(1).got, IsEmpty());
  router(0).receipts.clear();
  RunUntil(loop_, [&] { return Numbers(router(1), "romeo@home") == Sequence({2}); });
  EXPECT_EQ(router(0).downs, 0);
}

TEST_F(RingChangeoverTest, OneThatStartsIsNotTakenForTheOnlyOneBeforeTheOthersAreTried) {
  MakeRouters(2);
  router(1).Start("127.0.0.1", Standing::kStarting);
  router(0).Start();
  options_.discovery.targets = {router(1).address(), router(0).address()};
  Connect({});
  RunUntil(loop_, [&] { return ring_->available() && ring_->links().size() == 2; });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ring_->InstanceFor("user" + std::to_string(i) + "@home"), router(0).instance());
  }
}

TEST_F(RingChangeoverTest, WhatIsForOneThatJoinsWaitsUntilAllHaveYielded) {
  MakeEdges();
  StartSecond();
  SendUnsettled(*other_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key); });
  Send(key, 1);
  Send(KeyFor(router(0)), 1);
  RunUntil(loop_, [&] { return Numbers(router(0), KeyFor(router(0))) == Sequence({1}); });
  RunFor(loop_, 30ms);
  EXPECT_THAT(router(1).got, IsEmpty());
  EXPECT_EQ(joined_, 0);
  SettleAll();
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({1}); });
  EXPECT_EQ(joined_, 1);
  EXPECT_THAT(Numbers(router(0), key), IsEmpty());
}

TEST_F(RingChangeoverTest, AfterwardsItServesAsIfItAlwaysHad) {
  MakeEdges();
  JoinSecond();
  Recorder late;
  LinkClient client(loop_, Self{"c2s", "c2s-3", "e"}, router(1).address(), LinkOptions(), late);
  RunUntil(loop_, [&] { return late.links.size() == 1; });
  EXPECT_EQ(late.links.front()->peer().standing, Standing::kServing);
  const std::string key = KeyFor(router(0));
  router(0).Die();
  Send(key, 1);
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({1}); });
}

TEST_F(RingChangeoverTest, WhoComesWhileOneJoinsHearsOfIt) {
  MakeEdges();
  StartSecond();
  SendUnsettled(*other_);
  Join();
  Recorder late;
  LinkClient client(loop_, Self{"c2s", "c2s-3", "e"}, router(1).address(), LinkOptions(), late);
  RunUntil(loop_, [&] { return late.joining == 1; });
  SettleAll();
  RunUntil(loop_, [&] { return joined_ == 1 && late.changed_over == 1; });
}

TEST_F(RingChangeoverTest, NobodyIsWaitedForLongerThanTheLimit) {
  MakeEdges();
  router(1).options.settle_timeout = 50ms;
  StartSecond();
  SendUnsettled(*other_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key) || joined_ == 1; });
  Send(key, 1);
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({1}); });
  EXPECT_EQ(joined_, 1);
}

TEST_F(RingChangeoverTest, WhoeverWaitsHasALimitOfItsOwn) {
  MakeRouters(2);
  options_.link.settle_timeout = 50ms;
  MakeRing({&router(0)});
  for (const auto& router : routers_) homes_.Add(router->instance());
  StartSecond();
  SendUnsettled(*ring_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key) || ring_->InstanceFor(key) == router(1).instance(); });
  Send(key, 1);
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({1}); });
  EXPECT_FALSE(Measured("parley_rpc_limits_total{limit=\"settle_timeout\"} 0"));
}

TEST_F(RingChangeoverTest, IfItDiesBeforeAllHaveYieldedItsKeysStay) {
  MakeEdges();
  StartSecond();
  SendUnsettled(*other_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key); });
  Send(key, 1);
  router(1).Die();
  RunUntil(loop_, [&] { return Numbers(router(0), key) == Sequence({1}); });
  EXPECT_EQ(joined_, 0);
}

TEST_F(RingChangeoverTest, QuestionsGoToWhoHasTheKeyYet) {
  MakeEdges();
  StartSecond();
  SendUnsettled(*other_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key); });
  std::string answer;
  const auto take = [&](Result<std::string> said) { answer = said ? *said : said.error().message(); };
  ring_->Ask(key, "early", 1h, take);
  RunUntil(loop_, [&] { return answer == "re: early"; });
  EXPECT_THAT(router(0).requests, ElementsAre("early"));
  SettleAll();
  RunUntil(loop_, [&] { return joined_ == 1; });
  Send(key, 1);
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({1}); });
  ring_->Ask(key, "late", 1h, take);
  RunUntil(loop_, [&] { return answer == "re: late"; });
  EXPECT_THAT(router(1).requests, ElementsAre("late"));
}

TEST_F(RingChangeoverTest, WhatIsForTheNextWaitsUntilOneThatDrainsHasSettledEverybodys) {
  MakeEdges();
  JoinSecond();
  const std::string key = KeyFor(router(0));
  SendUnsettled(*other_, key);
  bool gone = false;
  router(0).server().AnnounceDraining([&] { gone = true; });
  RunUntil(loop_, [&] { return ring_->settling(key); });
  Send(key, 2);
  RunFor(loop_, 30ms);
  EXPECT_THAT(router(1).got, IsEmpty());
  EXPECT_FALSE(gone);
  SettleAll();
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({2}); });
  EXPECT_TRUE(gone);
}

TEST_F(RingChangeoverTest, WhatOneThatDrainsHadGoesOnWhenItIsGone) {
  MakeEdges();
  JoinSecond();
  const std::string key = KeyFor(router(0));
  SendUnsettled(*other_, key);
  router(0).server().AnnounceDraining();
  RunUntil(loop_, [&] { return ring_->settling(key); });
  Send(key, 2);
  router(0).Die();
  RunUntil(loop_, [&] { return Numbers(router(1), key).size() == 2; });
  EXPECT_THAT(Numbers(router(1), key), ::testing::UnorderedElementsAre(1, 2));
}

// Each waits only for its own.
TEST_F(RingChangeoverTest, TwoJoinAtOnce) {
  MakeEdges();
  routers_.push_back(std::make_unique<Router>(loop_, "router-3"));
  options_.discovery.targets.push_back(router(2).address());
  options_.link.settle_timeout = 1h;
  router(2).options.settle_timeout = 50ms;
  ring_.reset();
  other_.reset();
  Connect({});
  MakeOther();
  StartSecond();
  router(2).Start("127.0.0.1", Standing::kStarting);
  RunUntil(loop_, [&] { return ring_->links().size() == 3 && other_->links().size() == 3 && ring_->available(); });
  homes_.Add("router-3");
  SendUnsettled(*other_);
  Join();
  const std::string second = KeyFor(router(1));
  const std::string third = KeyFor(router(2));
  RunUntil(loop_, [&] { return ring_->settling(second); });
  bool joined = false;
  router(2).server().Join([&] { joined = true; });
  RunUntil(loop_, [&] { return ring_->settling(third) || joined; });
  Send(second, 1);
  Send(third, 1);
  EXPECT_EQ(ring_->InstanceFor(second), router(0).instance());
  RunUntil(loop_, [&] { return Numbers(router(2), third) == Sequence({1}); });
  EXPECT_TRUE(joined);
  EXPECT_EQ(joined_, 0);
  EXPECT_THAT(router(1).got, IsEmpty());
  SettleAll();
  RunUntil(loop_, [&] { return Numbers(router(1), second) == Sequence({1}); });
}

TEST_F(RingChangeoverTest, WhoTakesOverForTheLastOneThatDrainsWaitsToo) {
  MakeEdges();
  StartSecond();
  SendUnsettled(*other_);
  router(0).server().AnnounceDraining();
  for (int i = 0; i < 20; ++i) {
    const std::string key = "user" + std::to_string(i) + "@home";
    RunUntil(loop_, [&] { return ring_->settling(key); });
    Send(key, 1);
  }
  RunFor(loop_, 30ms);
  EXPECT_THAT(router(1).got, IsEmpty());
  SettleAll();
  RunUntil(loop_, [&] { return router(1).got.size() == 20; });
}

// The edges wait for what a router passes on, so it waits for nobody.
TEST_F(RingChangeoverTest, AReplicaItselfGoesByTheOldPlacementUntilAllHaveYielded) {
  MakeEdges();
  Edge third_edge;
  Ring third(loop_, Self{"router", "router-3", "e"}, options_, third_edge, [](auto, auto) {});
  StartSecond();
  RunUntil(loop_, [&] { return third.links().size() == 2; });
  SendUnsettled(*other_);
  Join();
  const std::string key = KeyFor(router(1));
  RunUntil(loop_, [&] { return ring_->settling(key); });
  third.Send(key, MakeEnvelope(key, 1), {});
  RunUntil(loop_, [&] { return Numbers(router(0), key) == Sequence({1}); });
  SettleAll();
  RunUntil(loop_, [&] { return third.InstanceFor(key) == router(1).instance(); });
  router(0).server().AnnounceDraining();
  RunUntil(loop_, [&] { return third.InstanceFor(KeyFor(router(0))) == router(1).instance(); });
}

}  // namespace
}  // namespace parley::rpc::testing

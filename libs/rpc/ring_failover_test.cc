// Replicas die, stop, join and restart: nothing is lost, and each key's envelopes keep their order.
#include <map>

#include "libs/rpc/ring_testing.h"

namespace parley::rpc::testing {
namespace {

class RingFailoverTest : public RingTest {};

TEST_F(RingFailoverTest, WhatADeadReplicaHadGoesToTheNextInOrderMarked) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  router(0).hold = true;
  const std::string key = KeyOn(router(0));
  for (int i = 1; i <= 50; ++i) Send(key, i);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 50; });
  for (int i = 51; i <= 60; ++i) Send(key, i);
  router(0).Die();
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(1).instance(); });
  Send(key, 61);
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  const auto numbers = Numbers(router(1), key);
  ASSERT_EQ(numbers.size(), 61u);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i + 1);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_TRUE(router(1).got[i].repeat);
  EXPECT_FALSE(router(1).got[60].repeat);
}

TEST_F(RingFailoverTest, JoiningReplicaWaitsForWhatTheFormerOneHas) {
  MakeRouters(2);
  options_.link.settle_timeout = 10s;
  MakeRing({&router(0)});
  router(0).hold = true;
  Rendezvous later;
  later.Add("router-1");
  later.Add("router-2");
  std::string moves, stays;
  for (int i = 0; moves.empty() || stays.empty(); ++i) {
    const std::string key = "user" + std::to_string(i) + "@home";
    (*later.Choose(key) == "router-2" ? moves : stays) = key;
  }
  Send(moves, 1);
  Send(stays, 1);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 2; });
  router(1).Start();
  RunUntil(loop_, [&] { return ring_->links().size() == 2; });
  EXPECT_EQ(ring_->InstanceFor(moves), "router-2");
  Send(moves, 2);
  Send(stays, 2);
  RunUntil(loop_, [&] { return Numbers(router(0), stays) == Sequence({1, 2}); });
  RunFor(loop_, 50ms);
  EXPECT_TRUE(router(1).got.empty());
  router(0).receipts[0] = Receipt();
  router(0).receipts[1] = Receipt();
  RunUntil(loop_, [&] { return Numbers(router(1), moves) == Sequence({2}); });
  EXPECT_EQ(Numbers(router(0), moves), Sequence({1}));
}

TEST_F(RingFailoverTest, SettlingHasALimit) {
  MakeRouters(2);
  options_.link.settle_timeout = 100ms;
  MakeRing({&router(0)});
  router(0).hold = true;
  for (int i = 0; i < 20; ++i) Send("user" + std::to_string(i) + "@home", 1);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 20; });
  router(1).Start();
  RunUntil(loop_, [&] { return ring_->links().size() == 2; });
  const std::string key = KeyOn(router(1));
  Send(key, 2);
  RunFor(loop_, 20ms);
  EXPECT_TRUE(router(1).got.empty());
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({2}); });
  EXPECT_TRUE(Measured("parley_rpc_limits_total{limit=\"settle_timeout\"} 1"));
}

TEST_F(RingFailoverTest, DrainingReplicaFinishesAndGetsNothingNew) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  router(0).hold = true;
  const std::string key = KeyOn(router(0));
  Send(key, 1);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 1; });
  router(0).server().AnnounceDraining();
  RunUntil(loop_, [&] { return ring_->settling(key); });
  Send(key, 2);
  RunFor(loop_, 30ms);
  EXPECT_TRUE(Numbers(router(1), key).empty());
  router(0).receipts.clear();
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({2}); });
  EXPECT_FALSE(router(1).got.back().repeat);
  EXPECT_EQ(Numbers(router(0), key), Sequence({1}));
}

TEST_F(RingFailoverTest, WhatAStoppingReplicaRefusesGoesElsewhereInOrder) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  const std::string key = KeyOn(router(0));
  Receipt kept;
  router(0).on_envelope = [&](Link&, std::unique_ptr<Envelope> envelope, Receipt receipt) {
    if (envelope->origin_seq() == 1) {
      kept = std::move(receipt);
    } else {
      receipt.Refuse(link::v1::REFUSAL_REASON_DRAINING);
    }
  };
  for (int i = 1; i <= 3; ++i) Send(key, i);
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(1).instance(); });
  Send(key, 4);
  RunFor(loop_, 30ms);
  EXPECT_TRUE(router(1).got.empty());
  router(0).Die();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(Numbers(router(1), key), Sequence({1, 2, 3, 4}));
  EXPECT_TRUE(edge_.undeliverable.empty());
}

TEST_F(RingFailoverTest, WhatAReplicaHadThatIsAwayGoesToTheNextInOrderMarked) {
  MakeRouters(2);
  options_.link.settle_timeout = 10s;
  MakeRing({&router(0), &router(1)});
  router(0).hold = true;
  const std::string key = KeyOn(router(0));
  for (int i = 1; i <= 50; ++i) Send(key, i);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 50; });
  router(0).server().Announce(Standing::kAway);
  for (int i = 51; i <= 60; ++i) Send(key, i);
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  const auto numbers = Numbers(router(1), key);
  ASSERT_EQ(numbers.size(), 60u);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], i + 1);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_TRUE(router(1).got[i].repeat);
  // It sends to us as before, and comes back.
  RunUntil(loop_, [&] { return ring_->links().size() == 2; });
  EXPECT_EQ(ring_->InstanceFor(key), router(1).instance());
  router(0).hold = false;
  router(0).server().Announce(Standing::kServing);
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(0).instance(); });
  Send(key, 61);
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(Numbers(router(0), key).back(), 61u);
}

TEST_F(RingFailoverTest, WhoIsAwayServesAsLongAsNobodyElseDoes) {
  MakeRouters(2);
  options_.link.settle_timeout = 10s;
  MakeRing({&router(0), &router(1)});
  const std::string key = KeyOn(router(1));
  router(0).server().Announce(Standing::kAway);
  RunUntil(loop_, [&] { return router(0).downs == 1 && ring_->links().size() == 2; });
  edge_.availability.clear();
  router(0).hold = true;
  router(1).hold = true;
  Send(key, 1);
  RunUntil(loop_, [&] { return router(1).receipts.size() == 1; });
  router(1).Die();
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(0).instance(); });
  Send(key, 2);
  RunUntil(loop_, [&] { return Numbers(router(0), key) == Sequence({1, 2}); });
  EXPECT_TRUE(edge_.availability.empty());  // there was somebody all the time
  // What it was given meanwhile does not wait for it.
  router(1).hold = false;
  router(1).Start();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(Numbers(router(1), key), Sequence({1, 1, 2}));
  EXPECT_EQ(ring_->InstanceFor(key), router(1).instance());
  EXPECT_TRUE(edge_.availability.empty());
}

TEST_F(RingFailoverTest, WhatOneWhoIsAwayWasAskedIsAskedOfWhoServesAgain) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  const std::string key = KeyOn(router(1));
  router(0).server().Announce(Standing::kAway);
  RunUntil(loop_, [&] { return router(0).downs == 1 && ring_->links().size() == 2; });
  router(1).Die();
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(0).instance(); });
  router(0).respond_at_once = false;
  std::string answer;
  ring_->Ask(key, "question", 10s, [&](Result<std::string> said) { answer = said ? *said : said.error().message(); });
  RunUntil(loop_, [&] { return router(0).responds.size() == 1; });
  router(1).Start();
  RunUntil(loop_, [&] { return !answer.empty(); });
  EXPECT_EQ(answer, "re: question");
}

TEST_F(RingFailoverTest, AllServeIfAllAreAway) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  const std::string first = KeyOn(router(0));
  const std::string second = KeyOn(router(1));
  for (const auto& router : routers_) router->server().Announce(Standing::kAway);
  RunUntil(loop_, [&] { return router(0).downs == 1 && router(1).downs == 1; });
  Send(first, 1);
  Send(second, 1);
  RunUntil(loop_, [&] { return ring_->links().size() == 2 && ring_->unacknowledged() == 0; });
  EXPECT_EQ(ring_->InstanceFor(first), router(0).instance());
  EXPECT_EQ(ring_->InstanceFor(second), router(1).instance());
}

TEST_F(RingFailoverTest, OnlyReplicaRestartsAndNothingIsLost) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).hold = true;
  for (int i = 1; i <= 10; ++i) Send("romeo@home", i);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 10; });
  router(0).Die();
  RunUntil(loop_, [&] { return edge_.availability.size() == 2; });
  router(0).hold = false;
  router(0).got.clear();
  Send("romeo@home", 11);
  router(0).Start();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(Numbers(router(0), "romeo@home"), Sequence({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(edge_.availability, (std::vector<bool>{true, false, true}));
}

TEST_F(RingFailoverTest, WhatABrokenLinkGivesBackGoesOnlyIfItMay) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  router(0).hold = true;
  const std::string key = KeyOn(router(0));
  Send(key, 1);
  RunUntil(loop_, [&] { return router(0).got.size() == 1; });
  edge_.may_go = false;
  router(0).Die();
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
  EXPECT_TRUE(edge_.undeliverable.front().first.envelope->repeat());
  EXPECT_TRUE(router(1).got.empty());
}

// Many keys, replicas dying and coming back all the time: for each key, what has not been seen before comes in order,
// what comes again is marked, and nothing is missing.
TEST_F(RingFailoverTest, NothingIsLostOrReorderedWhileReplicasComeAndGo) {
  constexpr int kRouters = 3;
  constexpr int kKeys = 40;
  constexpr std::uint64_t kEach = 300;
  MakeRouters(kRouters);
  options_.link.settle_timeout = 10s;
  options_.no_replica_timeout = 60s;
  MakeRing({&router(0), &router(1), &router(2)});
  std::map<std::string, std::uint64_t> seen;
  int unmarked_repeats = 0;
  int gaps = 0;
  for (auto& router : routers_) {
    router->on_envelope = [&, self = router.get()](Link&, std::unique_ptr<Envelope> envelope, Receipt receipt) {
      auto& last = seen[envelope->from()];
      if (envelope->origin_seq() == last + 1) {
        ++last;
      } else if (envelope->origin_seq() > last) {
        ++gaps;
      } else if (!envelope->repeat()) {
        ++unmarked_repeats;
      }
      // Some are acknowledged late.
      if (envelope->origin_seq() % 7 == 0) self->receipts.push_back(std::move(receipt));
      if (self->receipts.size() > 20) self->receipts.clear();
    };
  }
  std::uint64_t next = 1;
  const auto feed = loop_.Every(1ms, [&] {
    if (next > kEach) return;
    for (int key = 0; key < kKeys; ++key) Send("user" + std::to_string(key) + "@home", next);
    ++next;
    for (auto& router : routers_) router->receipts.clear();
  });
  std::vector<bool> running(kRouters, true);
  int turn = 0;
  const auto chaos = loop_.Every(17ms, [&] {
    if (next > kEach) return;
    const int victim = turn++ % kRouters;
    if (running[victim]) {
      router(victim).Die();
    } else {
      router(victim).Start();
    }
    running[victim] = !running[victim];
  });
  RunUntil(
      loop_, [&] { return next > kEach; }, 60s);
  for (int i = 0; i < kRouters; ++i) {
    if (!running[i]) router(i).Start();
  }
  const auto all_acknowledged = [&] {
    for (auto& router : routers_) router->receipts.clear();
    return ring_->unacknowledged() == 0;
  };
  RunUntil(loop_, all_acknowledged, 60s);
  EXPECT_EQ(gaps, 0);
  EXPECT_EQ(unmarked_repeats, 0);
  for (int key = 0; key < kKeys; ++key) EXPECT_EQ(seen["user" + std::to_string(key) + "@home"], kEach);
  EXPECT_TRUE(edge_.undeliverable.empty());
}

}  // namespace
}  // namespace parley::rpc::testing

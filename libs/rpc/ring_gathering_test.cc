// Where there was no replica, the first one that is up gets nothing before the others have been tried.
#include <gmock/gmock.h>

#include "libs/rpc/ring_testing.h"

namespace parley::rpc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RingGatheringTest : public RingTest {
 protected:
  static constexpr int kKeys = 40;
  // Before what they use.
  ~RingGatheringTest() override {
    ring_.reset();
    routers_.clear();
  }

  // Router 1, and one whose connections are accepted by the kernel alone until it wakes.
  void MakeRouters() {
    RingTest::MakeRouters(1);
    routers_.push_back(std::make_unique<Router>(asleep_, "router-2"));
    for (const auto& router : routers_) homes_.Add(router->instance());
    options_.link.hello_timeout = options_.link.keepalive = 1h;
  }
  Router& first() { return router(0); }
  Router& late() { return router(1); }
  // The link is with the first, and nothing more is known.
  void ConnectToFirst() {
    late().Start();
    Connect({&first()});
  }
  void Wake() {
    turning_ = loop_.Every(1ms, [this] {
      asleep_.Post([this] { asleep_.Stop(); });
      asleep_.Run();
    });
  }
  void FallAsleep() { turning_.Cancel(); }

  static std::string Key(int number) { return "user" + std::to_string(number) + "@home"; }
  // Of the two routers.
  std::string KeyFor(const Router& router) const {
    for (int i = 0;; ++i) {
      if (*homes_.Choose(Key(i)) == router.instance()) return Key(i);
    }
  }
  void SendToAll(std::uint64_t number) {
    for (int i = 0; i < kKeys; ++i) Send(Key(i), number);
  }
  void Ask(const std::string& key, const std::string& question, std::chrono::milliseconds timeout = 1h) {
    ring_->Ask(key, question, timeout,
               [&](Result<std::string> said) { answers_.push_back(said ? *said : said.error().message()); });
  }
  void ExpectNobodyServes() {
    EXPECT_FALSE(ring_->available());
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_TRUE(ring_->congested(Key(i)));
      EXPECT_EQ(ring_->InstanceFor(Key(i)), "");
    }
  }
  // All that was sent.
  void ExpectEachWentToItsHome(std::size_t sent) {
    RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
    for (const auto& router : routers_) {
      for (const auto& got : router->got) EXPECT_EQ(*homes_.Choose(got.from), router->instance());
      EXPECT_THAT(router->got, Not(IsEmpty()));
    }
    EXPECT_EQ(first().got.size() + late().got.size(), sent);
  }

  Loop asleep_;
  Loop::Timer turning_;
  Rendezvous homes_;
  std::vector<std::string> answers_;
};

TEST_F(RingGatheringTest, TheFirstGetsNothingBeforeTheOtherIsTried) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  options_.no_replica_timeout = 10ms;
  ConnectToFirst();
  SendToAll(1);
  EXPECT_TRUE(ring_->Send(KeyFor(late()), MakeEnvelope(KeyFor(late()), 2), {}));
  RunFor(loop_, 100ms);
  ExpectNobodyServes();
  EXPECT_THAT(first().got, IsEmpty());
  EXPECT_THAT(edge_.availability, IsEmpty());
  EXPECT_THAT(edge_.undeliverable, IsEmpty());  // there is a replica
  Wake();
  RunUntil(loop_, [&] { return ring_->available(); });
  SendToAll(3);
  ExpectEachWentToItsHome(2 * kKeys + 1);
  EXPECT_EQ(Numbers(first(), KeyFor(first())), Sequence({1, 3}));
  EXPECT_EQ(Numbers(late(), KeyFor(late())), Sequence({1, 2, 3}));
  EXPECT_THAT(edge_.availability, ElementsAre(true));
  EXPECT_FALSE(ring_->congested(Key(0)));
}

TEST_F(RingGatheringTest, NothingIsAskedBeforeTheOtherIsTried) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  ConnectToFirst();
  Ask(KeyFor(first()), "hasty", 50ms);
  Ask(KeyFor(first()), "one");
  Ask(KeyFor(late()), "two");
  RunUntil(loop_, [&] { return answers_.size() == 1; });
  EXPECT_THAT(answers_, ElementsAre(kNoReplica));
  Wake();
  RunUntil(loop_, [&] { return answers_.size() == 3; });
  EXPECT_THAT(first().requests, ElementsAre("one"));
  EXPECT_THAT(late().requests, ElementsAre("two"));
}

TEST_F(RingGatheringTest, OneThatRefusesIsNotWaitedFor) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  Connect({&first()});
  SendToAll(1);
  Ask(KeyFor(late()), "who");
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0 && answers_.size() == 1; });
  EXPECT_EQ(first().got.size(), std::size_t{kKeys});
  EXPECT_THAT(edge_.availability, ElementsAre(true));
}

TEST_F(RingGatheringTest, OneOfAnotherServiceIsNotWaitedFor) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  Server other(loop_, Self{"roster", "roster-1", "e"}, late().address(), LinkOptions(), Methods(), &late());
  Connect({&first()});
  SendToAll(1);
  RunUntil(loop_, [&] { return first().got.size() == kKeys; });
}

TEST_F(RingGatheringTest, OneThatSaysNothingIsWaitedForOnlySoLong) {
  MakeRouters();
  options_.link.settle_timeout = 200ms;
  const auto begun = std::chrono::steady_clock::now();
  ConnectToFirst();
  SendToAll(1);
  Ask(KeyFor(late()), "who");
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0 && answers_.size() == 1; });
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 200ms);
  EXPECT_TRUE(Measured("parley_rpc_limits_total{limit=\"settle_timeout\"} 1"));
  EXPECT_EQ(first().got.size(), std::size_t{kKeys});
  EXPECT_THAT(edge_.availability, ElementsAre(true));
  // It joins as ever.
  Wake();
  RunUntil(loop_, [&] { return ring_->InstanceFor(KeyFor(late())) == late().instance(); });
  EXPECT_THAT(edge_.availability, ElementsAre(true));
}

TEST_F(RingGatheringTest, OneThatDoesNotGreetInTimeWasTried) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  options_.link.hello_timeout = 100ms;
  ConnectToFirst();
  SendToAll(1);
  RunUntil(loop_, [&] { return first().got.size() == kKeys; });
}

// Its dial failed before the first was there, and the next one would be later.
TEST_F(RingGatheringTest, WhoWasNotThereIsTriedAgainAtOnceWhenTheFirstIs) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  options_.link.reconnect_min = options_.link.reconnect_max = 1h;
  late().Start();
  Connect({});
  RunUntil(loop_, [&] { return Measured("parley_link_failed_dials_total{link=\"router\"} 1"); });
  SendToAll(1);
  first().Start();
  Wake();
  ExpectEachWentToItsHome(kKeys);
}

TEST_F(RingGatheringTest, TheSameHoldsWhenAllWereGone) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  Wake();
  MakeRing({&first(), &late()});
  for (const auto& router : routers_) router->Die();
  RunUntil(loop_, [&] { return edge_.availability.size() == 2; });
  FallAsleep();
  SendToAll(1);
  Ask(KeyFor(late()), "who");
  late().Start();
  first().Start();
  RunUntil(loop_, [&] { return ring_->links().size() == 1; });
  RunFor(loop_, 50ms);
  ExpectNobodyServes();
  EXPECT_THAT(first().got, IsEmpty());
  Wake();
  ExpectEachWentToItsHome(kKeys);
  RunUntil(loop_, [&] { return answers_.size() == 1; });
  EXPECT_THAT(late().requests, ElementsAre("who"));
  EXPECT_THAT(edge_.availability, ElementsAre(true, false, true));
}

TEST_F(RingGatheringTest, TheFirstMayBeGoneBeforeTheOtherIsTried) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  ConnectToFirst();
  SendToAll(1);
  first().Die();
  RunUntil(loop_, [&] { return ring_->links().empty(); });
  EXPECT_THAT(edge_.availability, IsEmpty());
  Wake();
  RunUntil(loop_, [&] { return late().got.size() == kKeys; });
  EXPECT_THAT(edge_.availability, ElementsAre(true));
}

TEST_F(RingGatheringTest, AReplicaTakesNothingItselfBeforeTheOtherIsTried) {
  MakeRouters();
  options_.link.settle_timeout = 1h;
  late().Start();
  first().Start();
  std::vector<std::string> taken;
  Edge edge;
  options_.discovery.targets = {first().address(), late().address()};
  ring_ =
      std::make_unique<Ring>(loop_, Self{"router", "router-1", "epoch-1"}, options_, edge,
                             [&](std::unique_ptr<Envelope> envelope, Receipt) { taken.push_back(envelope->from()); });
  RunUntil(loop_, [&] { return ring_->links().size() == 1; });
  SendToAll(1);
  RunFor(loop_, 50ms);
  ExpectNobodyServes();
  EXPECT_THAT(taken, IsEmpty());
  Wake();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  for (const auto& key : taken) EXPECT_EQ(*homes_.Choose(key), "router-1");
  EXPECT_EQ(taken.size() + late().got.size(), std::size_t{kKeys});
}

TEST_F(RingGatheringTest, WithoutAddressesNobodyIsWaitedFor) {
  Ring::Options options;
  options.no_replica_timeout = 50ms;
  Ring ring(loop_, Self{"c2s", "c2s-1", "e"}, options, edge_);
  ring.Send(Key(0), MakeEnvelope(Key(0), 1), {});
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
}

}  // namespace
}  // namespace parley::rpc::testing

#include "libs/rpc/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "tests/support/redis_server.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using testing::MakeEnvelope;
using testing::Recorder;
using testing::RunFor;
using testing::RunUntil;

// A router as the ring sees it; it can die and come back at the same address.
class Router : public Recorder {
 public:
  Router(Loop& loop, std::string instance) : loop_(loop), instance_(std::move(instance)) {}
  void Start(const std::string& host = "127.0.0.1") {
    server_ = std::make_unique<Server>(loop_, Self{"router", instance_, "epoch-" + std::to_string(++starts_)},
                                       host + ":" + std::to_string(port_), LinkOptions(), Methods(), this);
  }
  void Die() {
    server_.reset();
    links.clear();
    for (auto& receipt : receipts) receipt = Receipt();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  const std::string& instance() const { return instance_; }
  Server& server() { return *server_; }

 private:
  Loop& loop_;
  std::string instance_;
  const int port_ = test::FreePort();
  int starts_ = 0;
  std::unique_ptr<Server> server_;
};

class Edge : public Ring::Owner {
 public:
  void OnEnvelope(Link&, std::unique_ptr<Envelope> envelope, Receipt) override {
    got.push_back(envelope->origin_seq());
  }
  void OnRequest(Link&, const std::string& body, LinkHandler::Respond respond) override { respond("edge: " + body); }
  void OnUndeliverable(Held held, RefusalReason reason) override {
    undeliverable.emplace_back(std::move(held), reason);
  }
  void OnAvailability(bool available) override {
    availability.push_back(available);
    if (on_availability) on_availability(available);
  }
  void OnWritable() override { ++writable; }
  bool MayGo(const Envelope&) override { return may_go; }

  bool may_go = true;
  std::vector<std::uint64_t> got;
  std::vector<std::pair<Held, RefusalReason>> undeliverable;
  std::vector<bool> availability;
  std::function<void(bool)> on_availability;
  int writable = 0;
};

class RingTest : public ::testing::Test {
 protected:
  // Routers have an address from the start, whether they run or not.
  void MakeRouters(int count) {
    for (int i = 1; i <= count; ++i) {
      routers_.push_back(std::make_unique<Router>(loop_, "router-" + std::to_string(i)));
    }
  }
  void MakeRing(std::vector<Router*> up, Ring::Local local = {}, Self self = {"c2s", "c2s-1", "e"}) {
    for (Router* router : up) router->Start();
    options_.service = "router";
    options_.link.reconnect_min = 10ms;
    options_.link.reconnect_max = 20ms;
    if (options_.discovery.targets.empty()) {
      for (const auto& router : routers_) options_.discovery.targets.push_back(router->address());
    }
    ring_ = std::make_unique<Ring>(loop_, std::move(self), options_, edge_, std::move(local));
    RunUntil(loop_, [&] {
      const bool linked = std::all_of(up.begin(), up.end(), [](Router* router) { return !router->links.empty(); });
      return linked && ring_->links().size() == up.size();
    });
  }
  Router& router(int index) { return *routers_.at(index); }
  // A key that the ring places on this router now.
  std::string KeyOn(const Router& router) {
    for (int i = 0;; ++i) {
      std::string key = "user" + std::to_string(i) + "@home";
      if (ring_->InstanceFor(key) == router.instance()) return key;
    }
  }
  void Send(const std::string& key, std::uint64_t number) { ring_->Send(key, MakeEnvelope(key, number), {}); }
  static std::vector<std::uint64_t> Numbers(const Router& router, const std::string& key) {
    std::vector<std::uint64_t> numbers;
    for (const auto& got : router.got) {
      if (got.from == key) numbers.push_back(got.number);
    }
    return numbers;
  }

  Loop loop_;
  Edge edge_;
  std::vector<std::unique_ptr<Router>> routers_;
  Ring::Options options_;
  std::unique_ptr<Ring> ring_;
};

using Sequence = std::vector<std::uint64_t>;

TEST(RendezvousTest, OnlyTheKeysOfTheLostReplicaMove) {
  Rendezvous before;
  for (const char* instance : {"a", "b", "c", "d"}) before.Add(instance);
  Rendezvous after = before;
  after.Remove("b");
  std::map<std::string, int> share;
  for (int i = 0; i < 10000; ++i) {
    const std::string key = "user" + std::to_string(i) + "@home";
    const std::string was = *before.Choose(key);
    ++share[was];
    if (was != "b") {
      EXPECT_EQ(*after.Choose(key), was);
    } else {
      EXPECT_NE(*after.Choose(key), "b");
    }
  }
  for (const auto& [instance, keys] : share) EXPECT_NEAR(keys, 2500, 250) << instance;
}

TEST(RendezvousTest, DoesNotDependOnTheOrderOfJoining) {
  Rendezvous one, other;
  for (const char* instance : {"a", "b", "c"}) one.Add(instance);
  for (const char* instance : {"c", "a", "b"}) other.Add(instance);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(*one.Choose(std::to_string(i)), *other.Choose(std::to_string(i)));
}

TEST(RendezvousTest, EmptyChoosesNothing) { EXPECT_EQ(Rendezvous().Choose("key"), nullptr); }

TEST_F(RingTest, KeysSpreadAndStay) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) Send("user" + std::to_string(i) + "@home", round);
  }
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(router(0).got.size() + router(1).got.size(), 200u);
  std::set<std::string> first, second;
  for (const auto& got : router(0).got) first.insert(got.from);
  for (const auto& got : router(1).got) second.insert(got.from);
  EXPECT_EQ(first.size() + second.size(), 100u);
  EXPECT_GT(first.size(), 20u);
  EXPECT_GT(second.size(), 20u);
  EXPECT_EQ(edge_.availability, std::vector<bool>{true});
}

TEST_F(RingTest, WhatADeadReplicaHadGoesToTheNextInOrderMarked) {
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

TEST_F(RingTest, JoiningReplicaWaitsForWhatTheFormerOneHas) {
  MakeRouters(2);
  options_.settle_timeout = 10s;
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

TEST_F(RingTest, SettlingHasALimit) {
  MakeRouters(2);
  options_.settle_timeout = 100ms;
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
}

TEST_F(RingTest, DrainingReplicaFinishesAndGetsNothingNew) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  router(0).hold = true;
  const std::string key = KeyOn(router(0));
  Send(key, 1);
  RunUntil(loop_, [&] { return router(0).receipts.size() == 1; });
  router(0).server().AnnounceDraining();
  RunUntil(loop_, [&] { return ring_->InstanceFor(key) == router(1).instance(); });
  Send(key, 2);
  RunFor(loop_, 30ms);
  EXPECT_TRUE(Numbers(router(1), key).empty());
  router(0).receipts.clear();
  RunUntil(loop_, [&] { return Numbers(router(1), key) == Sequence({2}); });
  EXPECT_FALSE(router(1).got.back().repeat);
  EXPECT_EQ(Numbers(router(0), key), Sequence({1}));
}

TEST_F(RingTest, WhatAStoppingReplicaRefusesGoesElsewhereInOrder) {
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

TEST_F(RingTest, RefusalForAnotherReasonIsTheOwners) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).on_envelope = [](Link&, std::unique_ptr<Envelope>, Receipt receipt) {
    receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  };
  Send("romeo@home", 1);
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
  EXPECT_EQ(edge_.undeliverable[0].second, link::v1::REFUSAL_REASON_OVERLOADED);
}

TEST_F(RingTest, WaitsForAReplica) {
  MakeRouters(1);
  MakeRing({});
  EXPECT_TRUE(ring_->congested("romeo@home"));
  for (int i = 1; i <= 10; ++i) Send("romeo@home", i);
  RunFor(loop_, 50ms);
  router(0).Start();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_EQ(router(0).got.size(), 10u);
  EXPECT_FALSE(ring_->congested("romeo@home"));
  EXPECT_GE(edge_.writable, 1);
}

TEST_F(RingTest, WhatWaitedGoesBeforeWhatTheOwnerSendsOnHearingOfAReplica) {
  MakeRouters(1);
  MakeRing({});
  Send("romeo@home", 1);
  edge_.on_availability = [&](bool) { Send("romeo@home", 2); };
  router(0).Start();
  RunUntil(loop_, [&] { return router(0).got.size() == 2; });
  EXPECT_EQ(Numbers(router(0), "romeo@home"), Sequence({1, 2}));
  EXPECT_TRUE(router(0).got[0].repeat);
  EXPECT_FALSE(router(0).got[1].repeat);
}

TEST_F(RingTest, OnlyReplicaRestartsAndNothingIsLost) {
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

TEST_F(RingTest, WithoutAReplicaForTooLongTheOwnerGetsItBack) {
  MakeRouters(1);
  options_.no_replica_timeout = 100ms;
  MakeRing({});
  Send("romeo@home", 1);
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
  EXPECT_EQ(edge_.undeliverable[0].second, link::v1::REFUSAL_REASON_UNSPECIFIED);
  EXPECT_EQ(ring_->unacknowledged(), 0u);
}

TEST_F(RingTest, OnlySoManyWait) {
  MakeRouters(1);
  options_.max_waiting = 5;
  MakeRing({});
  for (int i = 1; i <= 6; ++i) Send("romeo@home", i);
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
  EXPECT_EQ(edge_.undeliverable[0].first.envelope->origin_seq(), 6u);
  EXPECT_EQ(edge_.undeliverable[0].second, link::v1::REFUSAL_REASON_OVERLOADED);
}

TEST_F(RingTest, AskGoesToTheKeysReplica) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  std::string answer;
  ring_->Ask(KeyOn(router(1)), "who", 5s, [&](Result<std::string> result) { answer = *result; });
  RunUntil(loop_, [&] { return !answer.empty(); });
  EXPECT_EQ(router(1).requests, std::vector<std::string>{"who"});
  EXPECT_TRUE(router(0).requests.empty());
}

TEST_F(RingTest, AskFailsOverWhenTheReplicaDies) {
  MakeRouters(2);
  MakeRing({&router(0), &router(1)});
  router(0).respond_at_once = false;
  std::string answer;
  ring_->Ask(KeyOn(router(0)), "who", 5s, [&](Result<std::string> result) { answer = *result; });
  RunUntil(loop_, [&] { return router(0).requests.size() == 1; });
  router(0).Die();
  RunUntil(loop_, [&] { return !answer.empty(); });
  EXPECT_EQ(answer, "re: who");
  EXPECT_EQ(router(1).requests.size(), 1u);
}

TEST_F(RingTest, AskWaitsForAReplicaWithinItsTime) {
  MakeRouters(1);
  MakeRing({});
  std::vector<std::string> answers;
  const auto note = [&](Result<std::string> result) {
    answers.push_back(result ? *result : "failed: " + result.error().message());
  };
  ring_->Ask("romeo@home", "early", 50ms, note);
  RunUntil(loop_, [&] { return answers.size() == 1; });
  EXPECT_EQ(answers[0], "failed: no replica to ask");
  ring_->Ask("romeo@home", "patient", 5s, note);
  router(0).Start();
  RunUntil(loop_, [&] { return answers.size() == 2; });
  EXPECT_EQ(answers[1], "re: patient");
}

TEST_F(RingTest, AskTimesOut) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).respond_at_once = false;
  bool failed = false;
  ring_->Ask("romeo@home", "who", 50ms, [&](Result<std::string> result) { failed = !result; });
  RunUntil(loop_, [&] { return failed; });
}

TEST_F(RingTest, WhatABrokenLinkGivesBackGoesOnlyIfItMay) {
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

TEST_F(RingTest, OwnKeysStayInTheProcess) {
  MakeRouters(2);
  std::vector<std::uint64_t> local;
  std::vector<Receipt> receipts;
  MakeRing({&router(0), &router(1)}, {}, {"c2s", "c2s-1", "e"});
  // Router 1 itself: its own address answers with its own name and epoch.
  Edge edge;
  Ring own(loop_, Self{"router", "router-1", "epoch-1"}, options_, edge,
           [&](std::unique_ptr<Envelope> envelope, Receipt receipt) {
             local.push_back(envelope->origin_seq());
             receipts.push_back(std::move(receipt));
           });
  RunUntil(loop_, [&] { return own.links().size() == 2; });
  const std::string mine = KeyOn(router(0));
  const std::string theirs = KeyOn(router(1));
  EXPECT_EQ(own.InstanceFor(mine), "router-1");
  int acknowledged = 0;
  const auto count = [&](RefusalReason) { ++acknowledged; };
  const auto before = router(1).got.size();
  for (int i = 1; i <= 3; ++i) own.Send(mine, MakeEnvelope(mine, i), Receipt(count));
  own.Send(theirs, MakeEnvelope(theirs, 4), Receipt(count));
  EXPECT_TRUE(local.empty());
  RunUntil(loop_, [&] { return acknowledged == 1 && local.size() == 3; });
  EXPECT_EQ(router(1).got.size(), before + 1);
  EXPECT_EQ(own.unacknowledged(), 3u);
  receipts.clear();
  RunUntil(loop_, [&] { return acknowledged == 4; });
  EXPECT_EQ(own.unacknowledged(), 0u);
  std::string answer;
  own.Ask(mine, "me", 5s, [&](Result<std::string> result) { answer = *result; });
  RunUntil(loop_, [&] { return !answer.empty(); });
  EXPECT_EQ(answer, "edge: me");
}

TEST_F(RingTest, OneReplicaWithTwoAddressesIsOne) {
  MakeRouters(1);
  router(0).Start("0.0.0.0");
  options_.discovery.targets = {router(0).address(), "127.0.0.2:" + std::to_string(router(0).port())};
  MakeRing({});
  RunUntil(loop_, [&] { return !ring_->links().empty(); });
  // The other address may answer first, later, or be hung up on before it knows us.
  RunFor(loop_, 50ms);
  EXPECT_EQ(ring_->links().size(), 1u);
  EXPECT_EQ(router(0).links.size(), 1u);
  Send("romeo@home", 1);
  RunUntil(loop_, [&] { return router(0).got.size() == 1; });
  router(0).Die();
  RunUntil(loop_, [&] { return ring_->links().empty(); });
  router(0).Start("0.0.0.0");
  RunUntil(loop_, [&] { return ring_->links().size() == 1; });
}

TEST_F(RingTest, EnvelopesFromAReplicaReachTheOwner) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).links[0]->Send(MakeEnvelope("home", 5), {});
  RunUntil(loop_, [&] { return edge_.got == Sequence({5}); });
}

TEST_F(RingTest, DrainingOfOursIsTold) {
  MakeRouters(2);
  MakeRing({&router(0)});
  ring_->AnnounceDraining();
  RunUntil(loop_, [&] { return router(0).draining == 1; });
  router(1).Start();
  RunUntil(loop_, [&] { return router(1).draining == 1; });
}

// Edge, router, edge: the first edge's receipt waits for the second edge.
TEST_F(RingTest, ReceiptsChainAcrossTwoHops) {
  MakeRouters(1);
  Recorder far_edge;
  far_edge.hold = true;
  MakeRing({&router(0)});
  LinkClient far(loop_, Self{"c2s", "c2s-2", "e"}, router(0).address(), LinkOptions(), far_edge);
  RunUntil(loop_, [&] { return router(0).links.size() == 2; });
  router(0).on_envelope = [&](Link& from, std::unique_ptr<Envelope> envelope, Receipt receipt) {
    for (Link* link : router(0).links) {
      if (link != &from) link->Send(std::move(envelope), std::move(receipt));
    }
  };
  int acknowledged = 0;
  ring_->Send("juliet@home", MakeEnvelope("romeo@home", 1), Receipt([&](RefusalReason) { ++acknowledged; }));
  RunUntil(loop_, [&] { return far_edge.receipts.size() == 1; });
  RunFor(loop_, 30ms);
  EXPECT_EQ(acknowledged, 0);
  EXPECT_EQ(ring_->unacknowledged(), 1u);
  far_edge.receipts.clear();
  RunUntil(loop_, [&] { return acknowledged == 1; });
}

// Many keys, replicas dying and coming back all the time: for each key, what has not been seen before comes in order,
// what comes again is marked, and nothing is missing.
TEST_F(RingTest, NothingIsLostOrReorderedWhileReplicasComeAndGo) {
  constexpr int kRouters = 3;
  constexpr int kKeys = 40;
  constexpr std::uint64_t kEach = 300;
  MakeRouters(kRouters);
  options_.settle_timeout = 10s;
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
}  // namespace parley::rpc

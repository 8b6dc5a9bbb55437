#include "libs/rpc/ring.h"

#include <gmock/gmock.h>

#include <set>

#include "libs/rpc/ring_testing.h"

namespace parley::rpc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

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

TEST_F(RingTest, SendSaysWhetherThereIsRoomForMore) {
  MakeRouters(1);
  MakeRing({});
  EXPECT_TRUE(ring_->Send("romeo@home", MakeEnvelope("romeo@home", 1), {}));
  router(0).Start();
  RunUntil(loop_, [&] { return ring_->unacknowledged() == 0; });
  EXPECT_FALSE(ring_->Send("romeo@home", MakeEnvelope("romeo@home", 2), {}));
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
  options_.link.max_waiting = 5;
  MakeRing({});
  for (int i = 1; i <= 6; ++i) Send("romeo@home", i);
  RunUntil(loop_, [&] { return edge_.undeliverable.size() == 1; });
  EXPECT_EQ(edge_.undeliverable[0].first.envelope->origin_seq(), 6u);
  EXPECT_EQ(edge_.undeliverable[0].second, link::v1::REFUSAL_REASON_OVERLOADED);
  EXPECT_TRUE(Measured("parley_rpc_limits_total{limit=\"waiting\"} 1"));
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

// It may have been done.
TEST_F(RingTest, AskThatAReplicaGotIsNotSaidToHaveReachedNone) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).respond_at_once = false;
  std::string failure;
  ring_->Ask("romeo@home", "who", 500ms, [&](Result<std::string> result) { failure = result.error().message(); });
  RunUntil(loop_, [&] { return router(0).requests.size() == 1; });
  router(0).Die();
  RunUntil(loop_, [&] { return !failure.empty(); });
  EXPECT_NE(failure, kNoReplica);
}

TEST_F(RingTest, AskTimesOut) {
  MakeRouters(1);
  MakeRing({&router(0)});
  router(0).respond_at_once = false;
  bool failed = false;
  ring_->Ask("romeo@home", "who", 50ms, [&](Result<std::string> result) { failed = !result; });
  RunUntil(loop_, [&] { return failed; });
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

// The ring of router-2, beside router-1.
class OwnRingTest : public RingTest {
 protected:
  void SetUp() override {
    MakeRouters(2);
    MakeRing(
        {&router(0)}, [](auto, auto) {}, self_);
    ours_ = std::make_unique<Server>(loop_, self_, router(1).address(), LinkOptions(), Methods(), &router(1));
    RunUntil(loop_, [&] { return !OwnKey().empty(); });
  }
  // Empty: there is none now.
  std::string OwnKey() const {
    for (int i = 0; i < 100; ++i) {
      std::string key = "user" + std::to_string(i) + "@home";
      if (ring_->InstanceFor(key) == self_.instance) return key;
    }
    return {};
  }
  void Ask(const std::string& key, const std::string& question) {
    ring_->Ask(key, question, 1h,
               [&](Result<std::string> said) { answers_.push_back(said ? *said : said.error().message()); });
  }
  const Self self_{"router", "router-2", "e"};
  std::unique_ptr<Server> ours_;
  std::vector<std::string> answers_;
};

TEST_F(OwnRingTest, OurOwnKeysAreAnothersWhileWeAreAway) {
  ring_->Announce(Standing::kAway);
  EXPECT_EQ(OwnKey(), "");
  router(0).Die();
  RunUntil(loop_, [&] { return !OwnKey().empty(); });
  router(0).Start();
  RunUntil(loop_, [&] { return OwnKey().empty(); });
  ring_->Announce(Standing::kServing);
  EXPECT_NE(OwnKey(), "");
}

TEST_F(OwnRingTest, WhatWeAskedOurselvesIsAskedOfAnotherWhenWeAreAway) {
  const std::string key = OwnKey();
  edge_.answers = false;
  Ask(key, "early");
  RunUntil(loop_, [&] { return edge_.asked.size() == 1; });
  Ask(key, "late");
  ring_->Announce(Standing::kAway);
  RunUntil(loop_, [&] { return answers_.size() == 2; });
  EXPECT_THAT(answers_, UnorderedElementsAre("re: early", "re: late"));
  EXPECT_THAT(edge_.asked, ElementsAre("early"));  // we do not do what another does
}

TEST_F(OwnRingTest, WhatWeAskedOurselvesIsAskedAgainIfNobodyElseServes) {
  const std::string key = OwnKey();
  router(0).Die();
  RunUntil(loop_, [&] { return ring_->links().size() == 1; });
  edge_.answers = false;
  Ask(key, "question");
  RunUntil(loop_, [&] { return edge_.asked.size() == 1; });
  edge_.answers = true;
  ring_->Announce(Standing::kAway);
  RunUntil(loop_, [&] { return answers_.size() == 1; });
  EXPECT_THAT(answers_, ElementsAre("edge: question"));
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

}  // namespace
}  // namespace parley::rpc::testing

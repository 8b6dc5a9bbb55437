// Sessions whose edge is dead, or may be: what it has of their stanzas, and in which order all comes.
#include "libs/base/unix_time.h"
#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EdgeInDoubtTest : public testing::OrphansTest {
 protected:
  // A lease of nobody's.
  void AddLease(const std::string& member, std::chrono::milliseconds left) {
    Redis({"ZADD", storage::kNodesKey, std::to_string(UnixMilliseconds() + left.count()), member});
  }
  // Leases that there are now are known; those that have run out are known to have, if they were known before.
  void RunUntilLapsesAreSeen() {
    constexpr std::chrono::milliseconds kAboutToLapse{200};
    const std::string probe = "c2s-9/boot" + std::to_string(++probes_) + ".";
    std::int64_t lapsed = 0;
    RunUntil([&] {  // one that comes and goes between two looks is not seen
      const std::int64_t now = UnixMilliseconds();
      if (now >= lapsed) {
        AddLease(probe + std::to_string(now), kAboutToLapse);
        lapsed = now + 5 * kAboutToLapse.count();
      }
      return !Redis({"KEYS", "parley:reap:" + probe + "*"}).empty();
    });
  }
  // And another router cleans up after it, in its own time.
  void RunUntilFirstIsDead() {
    RunUntilLapsesAreSeen();
    Redis({"SET", "parley:reap:c2s-2/" + first().epoch(), "router-7"});
    first().EndLease();
    first().Disconnect();
    RunUntil([&] { return !HasEdge("c2s-2"); });
    RunUntilLapsesAreSeen();
  }
  std::string NextEpoch() { return first().epoch().substr(0, first().epoch().rfind('.')) + ".2"; }
  // The edge has 1 and 2, and a new lease, under which it has put nothing back in time: another of its sessions is
  // over.
  void HoldTwoBeyondTheGrace() {
    FreezeFirstWith(1);
    AddLease("c2s-2/" + NextEpoch(), std::chrono::minutes(1));
    first().EndLease();
    RunUntil([&] { return !juliet().received().empty(); });
    Chat(2);
    RunUntil([&] { return first().frozen() == 2; });
  }

 private:
  int probes_ = 0;
};

TEST_F(EdgeInDoubtTest, QueuedParkedAndNewKeepTheirOrder) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().SetHolding(true);
  Chat(2);
  Chat(3);
  RunUntil([&] { return Ids(romeo.received()).size() == 3; });
  first().SetFrozen(true);
  Chat(4);
  const Client left = Kill(first(), romeo);
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(5);
  RunUntilOrphaned();
  for (int i = 6; i < 20; ++i) Chat(i);
  Settle();
  EXPECT_EQ(LengthNow(), "20");  // 2 and 3 are in it once
  ExpectIds(Resumed(second(), left), Numbers(1, 20));
}

TEST_F(EdgeInDoubtTest, AnEdgeThatStoppedIsNotDeadUntilItsLinkBreaks) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(2);
  first().EndLease();
  RunUntilLapsesAreSeen();
  // Read anew, so that somebody asks whether the edge lives.
  const double before = Metric("parley_router_accounts_invalidated_total");
  Redis({"HSET", "parley:s:{romeo@home.example}", "x", "y"});
  Redis({"HDEL", "parley:s:{romeo@home.example}", "x"});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
  Chat(3);
  Chat(4);
  RunUntil([&] { return first().frozen() == 4; });
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  ExpectIds(Resumed(second(), left), Numbers(1, 5));
}

// What it takes would come behind what is queued until it has said that the session still is its.
TEST_F(EdgeInDoubtTest, AnEdgeThatWasDeadGetsNothingBeforeItHasPutItsSessionBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  RunUntilFirstIsDead();
  first().Reconnect();
  RunUntil([&] { return HasEdge("c2s-2"); });
  Chat(1);
  RunUntilOrphaned();
  Settle();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  EXPECT_EQ(LengthNow(), "2");
}

TEST_F(EdgeInDoubtTest, WithoutRedisWhatIsForADeadEdgeIsGivenUpAfterAWhile) {
  Configure(1, {"router.delivery_timeout=300ms"});
  Begin();
  Managed(first(), kOrchard);
  RunUntilFirstIsDead();
  redis_.Stop();
  Chat(1);
  RunUntil([&] { return !juliet().received().empty(); });
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("resource-constraint")));
}

// An edge that is linked has its sessions put back after a while, or not; what it has got is its until then.
TEST_F(EdgeInDoubtTest, NothingIsQueuedBehindWhatAnEdgeMayYetTake) {
  Configure(1, {"router.restore_grace=500ms"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& plain = Online(first(), "romeo@home.example/plain");
  juliet().Take();
  HoldTwoBeyondTheGrace();
  first().SetFrozen(false);
  ExpectIds(romeo, Numbers(1, 3));
  EXPECT_THAT(Ids(plain.received()), IsEmpty());
}

TEST_F(EdgeInDoubtTest, WhatSuchAnEdgeLeavesBehindComesBeforeWhatIsNew) {
  Configure(1, {"router.restore_grace=500ms"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Online(first(), "romeo@home.example/plain");
  juliet().Take();
  HoldTwoBeyondTheGrace();
  const Client left = Kill(first(), romeo);
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(3);
  RunUntilOrphaned();
  Settle();
  ExpectIds(Resumed(second(), left), Numbers(1, 4));
}

TEST_F(EdgeInDoubtTest, WhatAnEdgeRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(2);
  first().Lose(romeo);
  first().TakeOneFrozen();
  RunUntil([&] { return Metric("parley_router_undeliverable_total") == 1; });
  Chat(3);
  RunUntil([&] { return Metric("parley_router_mailbox") >= 2 || LengthNow() == "3"; });
  first().SetFrozen(false);
  RunUntil([&] { return LengthNow() == "4"; });
  ExpectIds(Resumed(second(), romeo), Numbers(1, 4));
}

// Redis did late what the edge had told it, and the edge, which had no answer, gave it back.
TEST_F(EdgeInDoubtTest, WhatAnEdgeRefusesAndRedisHasAllTheSameIsQueuedOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  const Client left(second(), "romeo@home.example", romeo.id());
  FreezeFirstWith(2);
  link::v1::Envelope late = edge().last();
  Redis({"RPUSH", session::QueueKey("romeo@home.example", romeo.queue()), session::Encode(late, 1, 0)});
  first().Lose(romeo);
  first().SetFrozen(false);
  RunUntil([&] { return LengthNow() == "3"; });
  Settle();
  EXPECT_EQ(LengthNow(), "3");
  ExpectIds(Resumed(second(), left), {"2", "1"});  // as it is in the queue
}

TEST_F(EdgeInDoubtTest, WhatTheEdgeOfASessionThatEndedRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& romeo = Online(first(), "romeo@home.example/plain");
  Client& nurse = Online(first(), "nurse@home.example/hall");
  juliet().Take();
  FreezeFirstWith(2, romeo.jid());
  romeo.Close();
  nurse.Send("<message to='juliet@home.example' id='after'/>");
  RunUntil([&] { return Ids(juliet().received()) == std::vector<std::string>{"after"}; });
  Chat(3, romeo.jid());
  juliet().Send("<message to='juliet@home.example' id='after'/>");
  RunUntil([&] { return Ids(juliet().received()).size() == 2; });
  first().SetFrozen(false);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 3; });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

TEST_F(EdgeInDoubtTest, WhatTheEdgeOfADisplacedSessionRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& old = Online(first(), "romeo@home.example/plain");
  juliet().Take();
  FreezeFirstWith(2, old.jid());
  first().Lose(old);
  Client& heir = second().Bind("romeo@home.example", "plain");
  RunUntil([&] { return first().frozen() == 3; });  // it is told
  Chat(3, old.jid());
  juliet().Send("<message to='juliet@home.example' id='after'/>");
  RunUntil([&] { return Ids(juliet().received()) == std::vector<std::string>{"after"}; });
  first().SetFrozen(false);
  RunUntil([&] { return second().answered(heir); });
  ExpectIds(heir, Numbers(1, 4));
}

// What it drops, as it had it already, it settles at once.
TEST_F(EdgeInDoubtTest, WhatItHasNotSettledBeforeWhatItDropsIsWaitedForToo) {
  Begin();
  Client& old = Online(first(), "romeo@home.example/plain");
  Client& nurse = Online(first(), "nurse@home.example/hall");
  juliet().Take();
  FreezeFirstWith(1, old.jid());
  edge().SendAgain(std::make_unique<rpc::Envelope>(edge().last()));
  RunUntil([&] { return first().frozen() == 2; });
  Client& heir = second().Bind("romeo@home.example", "plain");
  RunUntil([&] { return first().frozen() == 3; });  // it is told
  first().SetHolding(true);
  first().SetFrozen(false);
  EXPECT_EQ(first().repeats(), 1);
  Chat(2, old.jid());
  for (std::size_t i = 1; i <= 20; ++i) {  // behind what it settled; the router looks at that each millisecond
    nurse.Send("<message to='juliet@home.example' id='after'/>");
    RunUntil([&] { return Ids(juliet().received()).size() == i; });
  }
  EXPECT_FALSE(second().answered(heir));
  KillEdge(first());
  RunUntil([&] { return second().answered(heir); });
  ExpectIds(heir, Numbers(1, 3));
}

// It cannot reach Redis, but its clients and we can reach it.
TEST_F(EdgeInDoubtTest, AnEdgeWithoutLeaseButWithALinkKeepsItsSessions) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& plain = Online(first(), "romeo@home.example/plain");
  juliet().Take();
  first().EndLease();
  RunUntilLapsesAreSeen();
  Chat(1);
  Chat(2, "romeo@home.example/plain");
  ExpectIds(romeo, {"1"});
  ExpectIds(plain, {"2"});
  EXPECT_EQ(RecordOf().away_since(), 0);
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

// The rest of those that were under the old one is not there any more.
TEST_F(EdgeInDoubtTest, AnEdgeHasAWhileToPutItsSessionsUnderItsNewLease) {
  Configure(1, {"router.restore_grace=2s"});  // several times what lapses need to be seen
  Begin();
  Online(first(), "romeo@home.example/plain");
  juliet().Take();
  AddLease("c2s-2/" + NextEpoch(), std::chrono::minutes(1));
  first().EndLease();
  RunUntilLapsesAreSeen();
  EXPECT_THAT(juliet().received(), IsEmpty());
  RunUntil([&] { return !juliet().received().empty(); });
  EXPECT_THAT(juliet().Take(), ElementsAre(AllOf(HasSubstr("romeo@home.example/plain"), HasSubstr("unavailable"))));
}

}  // namespace
}  // namespace parley::router

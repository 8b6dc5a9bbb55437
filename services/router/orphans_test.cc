#include "libs/base/unix_time.h"
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOrchard[] = "romeo@home.example/orchard";
constexpr std::uint64_t kShort = 1;  // over as soon as somebody looks

// Sessions whose edge died, or does not know them any more.
class OrphansTest : public testing::ManagedTest {
 protected:
  // What is left of a session when its edge is gone.
  Client Kill(testing::Edge& edge, const Client& session) {
    Client left(second(), "romeo@home.example", session.id());
    KillEdge(edge);
    return left;
  }
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
    first().SetFrozen(true);
    Chat(1);
    RunUntil([&] { return first().frozen() == 1; });
    AddLease("c2s-2/" + NextEpoch(), std::chrono::minutes(1));
    first().EndLease();
    RunUntil([&] { return !juliet().received().empty(); });
    Chat(2);
    RunUntil([&] { return first().frozen() == 2; });
  }
  std::string LengthNow() { return QueueLength(RecordOf().queue()); }

 private:
  int probes_ = 0;
};

TEST_F(OrphansTest, ItsSessionStaysWhatItIsToEverybody) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  const std::string queue = romeo.queue();
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(1);
  Chat(2, "romeo@home.example");
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
  EXPECT_EQ(QueueLength(queue), "3");
  EXPECT_NE(RecordOf().away_since(), 0);
  Client& back = Resumed(second(), left);
  EXPECT_EQ(back.jid(), kOrchard);
  Chat(3);
  ExpectIds(back, Numbers(1, 4));
  EXPECT_EQ(RecordOf().away_since(), 0);
  EXPECT_THAT(juliet().Take(), IsEmpty());
  RunUntil([&] { return Redis({"SMEMBERS", "parley:n"}).find("c2s-2/") == std::string::npos; });  // cleaned up after
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
}

TEST_F(OrphansTest, QueuedParkedAndNewKeepTheirOrder) {
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

TEST_F(OrphansTest, AnEdgeThatStoppedIsNotDeadUntilItsLinkBreaks) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Chat(1);
  Chat(2);
  RunUntil([&] { return first().frozen() == 2; });
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
TEST_F(OrphansTest, AnEdgeThatWasDeadGetsNothingBeforeItHasPutItsSessionBack) {
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

TEST_F(OrphansTest, WithoutRedisWhatIsForADeadEdgeIsGivenUpAfterAWhile) {
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
TEST_F(OrphansTest, NothingIsQueuedBehindWhatAnEdgeMayYetTake) {
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

TEST_F(OrphansTest, WhatSuchAnEdgeLeavesBehindComesBeforeWhatIsNew) {
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

TEST_F(OrphansTest, WhatAnEdgeRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Chat(1);
  Chat(2);
  RunUntil([&] { return first().frozen() == 2; });
  first().Lose(romeo);
  first().TakeOneFrozen();
  RunUntil([&] { return Metric("parley_router_undeliverable_total") == 1; });
  Chat(3);
  RunUntil([&] { return Metric("parley_router_mailbox") >= 2 || LengthNow() == "3"; });
  first().SetFrozen(false);
  RunUntil([&] { return LengthNow() == "4"; });
  ExpectIds(Resumed(second(), romeo), Numbers(1, 4));
}

TEST_F(OrphansTest, WhatTheEdgeOfASessionThatEndedRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& romeo = Online(first(), "romeo@home.example/plain");
  Client& nurse = Online(first(), "nurse@home.example/hall");
  juliet().Take();
  first().SetFrozen(true);
  Chat(1, romeo.jid());
  Chat(2, romeo.jid());
  RunUntil([&] { return first().frozen() == 2; });
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

TEST_F(OrphansTest, WhatTheEdgeOfADisplacedSessionRefusesComesBeforeWhatIsNew) {
  Begin();
  Client& old = Online(first(), "romeo@home.example/plain");
  juliet().Take();
  first().SetFrozen(true);
  Chat(1, old.jid());
  Chat(2, old.jid());
  RunUntil([&] { return first().frozen() == 2; });
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

// It cannot reach Redis, but its clients and we can reach it.
TEST_F(OrphansTest, AnEdgeWithoutLeaseButWithALinkKeepsItsSessions) {
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

// The edge of who asked may have died, too, and the client be elsewhere, with the answer.
TEST_F(OrphansTest, ARequestThatADeadEdgeHadIsAnsweredAsIfItHadBeenBefore) {
  Begin();
  Online(first(), "romeo@home.example/plain");
  first().SetFrozen(true);
  juliet().Send("<iq type='get' id='1' to='romeo@home.example/plain'><ping xmlns='urn:xmpp:ping'/></iq>");
  RunUntil([&] { return first().frozen() == 1; });
  juliet().Take();
  KillEdge(first());
  RunUntil([&] { return !juliet().received().empty(); });
  RunUntil([&] { return edge().doubtful_answers() == 1; });
}

// The rest of those that were under the old one is not there any more.
TEST_F(OrphansTest, AnEdgeHasAWhileToPutItsSessionsUnderItsNewLease) {
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

TEST_F(OrphansTest, ItEndsWhenItsTimeIsOver) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, kShort);
  const std::string index = "parley:n:c2s-2/" + first().epoch();
  Chat(1);
  Chat(2, "romeo@home.example");
  ExpectIds(romeo, Numbers(1, 3));
  first().SetHolding(true);
  Chat(3);
  RunUntil([&] { return Ids(romeo.received()).size() == 3; });
  const Client left = Kill(first(), romeo);
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(4);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 4; });
  RunUntil([&] { return RedisIsClean() && Redis({"EXISTS", index}) == "0"; });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Metric("parley_router_expired_sessions_total"), 1);
  Client& late = Resumed(second(), left);
  EXPECT_EQ(late.resumed().condition(), "item-not-found");
  EXPECT_TRUE(late.resumed().knows_handled());
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 5));
}

TEST_F(OrphansTest, WithoutResumptionItEndsAtOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, 0);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Metric("parley_router_orphaned_sessions_total"), 0);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, AnotherRouterGoesOn) {
  Configure(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard, kLong);
  Chat(1);
  ExpectIds(romeo, {"1"});
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  KillRouter(0);
  Chat(2);
  Settle();
  Client& back = Resumed(second(), left);
  ExpectIds(back, Numbers(1, 3));
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

TEST_F(OrphansTest, AnotherRouterEndsIt) {
  Configure(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard, 1500);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntilOrphaned();
  KillRouter(0);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, AFullQueueEndsIt) {
  Configure(1, {"c2s.sm_max_stanzas=10", "c2s.sm_request_stanzas=5"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Kill(first(), romeo);
  RunUntilOrphaned();
  for (int i = 1; i < 16; ++i) Chat(i);
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_max_stanzas\"}"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 16));
}

TEST_F(OrphansTest, WhatItsEdgeDoesNotKnowWaitsToo) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().Lose(romeo);
  Chat(2);
  Chat(3);
  RunUntilOrphaned();
  Chat(4);
  Settle();
  EXPECT_EQ(LengthNow(), "5");
  EXPECT_THAT(juliet().Take(), IsEmpty());
  ExpectIds(Resumed(second(), romeo), Numbers(1, 5));
}

TEST_F(OrphansTest, AndEndsThoughItsEdgeLives) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, kShort);
  first().Lose(romeo);
  Chat(1);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
  RunUntil([&] { return Redis({"KEYS", "parley:n:-/*"}).empty(); });
}

TEST_F(OrphansTest, ThoseOfLivingEdgesAreFoundInOnePlace) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& other = Managed(first(), "romeo@home.example/street");
  romeo.Close("left");
  other.Close("left");
  RunUntilOrphaned(2);
  Settle();
  const std::string index = Redis({"KEYS", "parley:n:-/*"});
  EXPECT_EQ(Redis({"SCARD", index}), "2");
  for (const auto* left : {&romeo, &other}) Resumed(second(), *left);
  RunUntil([&] { return Redis({"EXISTS", index}) == "0"; });  // there is nothing to clean up any more
  Client& third = Managed(first(), "romeo@home.example/square", kShort);
  third.Close("left");
  RunUntil([&] { return RecordOf("square").session().empty(); });
  RunUntil([&] { return Redis({"EXISTS", index}) == "0"; });
}

TEST_F(OrphansTest, WhatItsEdgeLeftIsOneAtOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& young = Managed(first(), "romeo@home.example/street", 0);
  Chat(1);
  ExpectIds(romeo, {"1"});
  romeo.Close("left");
  young.Close("left");
  Settle();
  EXPECT_NE(RecordOf().away_since(), 0);
  EXPECT_THAT(juliet().Take(), ElementsAre(AllOf(HasSubstr("street"), HasSubstr("unavailable"))));
  Chat(2);
  ExpectIds(Resumed(second(), romeo), {"1", "2"});
}

TEST_F(OrphansTest, WhatIsSaidOfAnEarlierClaimIsStale) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& back = Resumed(first(), romeo);
  romeo.Close("left");
  romeo.Close("timeout");
  Settle();
  EXPECT_EQ(RecordOf().queue(), back.queue());
  EXPECT_EQ(RecordOf().away_since(), 0);
  back.Close("left");
  Settle();
  EXPECT_NE(RecordOf().away_since(), 0);
}

TEST_F(OrphansTest, TooManyBytesEndIt) {
  Configure(1, {"c2s.sm_max_bytes=65536", "c2s.sm_request_bytes=32768"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  Kill(first(), romeo);
  RunUntilOrphaned();
  const std::string body(30000, 'x');
  for (const std::string id : {"2", "3", "4", "5"}) {
    juliet().Send("<message type='chat' to='" + std::string(kOrchard) + "' id='" + id + "'><body>" + body +
                  "</body></message>");
  }
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_max_bytes\"}"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 6));
}

TEST_F(OrphansTest, WaitsForRedis) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  Settle();
  EXPECT_EQ(LengthNow(), "2");
  redis_.Pause();
  Chat(2);  // may have come to Redis
  RunUntil([&] { return !Missing().empty(); });
  Chat(3);
  RunUntil([&] { return Metric("parley_router_stanzas_total{kind=\"message\",leg=\"inbound\"}") == 3; });
  redis_.Resume();
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
  EXPECT_EQ(LengthNow(), "4");
  ExpectIds(Resumed(second(), romeo), Numbers(1, 4));
}

TEST_F(OrphansTest, ItsEdgesWordEndsIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  romeo.Close();  // was on its way already
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));
}

TEST_F(OrphansTest, ItsResourceCanBeHad) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(1);
  Settle();
  Client& young = second().Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REFUSE_NEW);
  RunUntil([&] { return second().answered(young); });
  EXPECT_EQ(young.jid(), kOrchard);
  ExpectIds(young, {"1"});
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

TEST_F(OrphansTest, AnswersAndPresenceAreQueuedToo) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  romeo.Send("<iq type='get' to='juliet@home.example/balcony' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  Settle();
  EXPECT_EQ(juliet().Take().size(), 1u);
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  juliet().Send("<iq type='result' to='romeo@home.example/orchard' id='q'/>");
  juliet().Send("<presence><show>away</show></presence>");
  Settle();
  const Client& back = Resumed(second(), left);
  Settle();
  EXPECT_THAT(back.received(), ElementsAre(HasSubstr("id='q'"), HasSubstr("away")));
}

}  // namespace
}  // namespace parley::router

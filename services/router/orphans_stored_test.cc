// What is stored for an account whose session loses its edge before it has had that.
#include <algorithm>
#include <chrono>

#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::IsEmpty;
using testing::OrphansTest;

class OrphansStoredTest : public OrphansTest {
 protected:
  static constexpr char kRomeo[] = "romeo@home.example";

  // So much is stored for Romeo, who has not said that he is available.
  Client& HasStored(int messages, std::uint64_t resume_ms) {
    for (int i = 1; i <= messages; ++i) Chat(i, kRomeo);
    Settle();
    Client& romeo = Login(first(), kOrchard);
    first().Enable(romeo, resume_ms);
    RunUntil([&] { return first().answered(romeo); });
    return romeo;
  }
  // What is stored for Romeo is on its way to his edge, which takes none of it. Nothing waits behind it.
  Client& GetsStored(int messages, std::uint64_t resume_ms = kLong) {
    Client& romeo = HasStored(messages, resume_ms);
    romeo.Send("<presence><priority>-1</priority></presence>");
    Settle();
    first().SetFrozen(true);
    romeo.Send("<presence/>");
    RunUntil([&] { return first().frozen() == static_cast<std::size_t>(messages) + 1; });  // and his own presence
    return romeo;
  }
  // The same, but nothing is on its way to his edge any more.
  Client& IsRefusedStored(int messages) {
    Client& romeo = HasStored(messages, kLong);
    first().SetOverloaded(true);
    romeo.Send("<presence/>");
    Settle();
    return romeo;
  }
  // One message is stored, and one waits behind it: how many may be repeats, with this c2s.sm_settle_wait.
  void ExpectDoubtful(const std::string& wait, int doubtful) {
    Configure(1, {"c2s.sm_settle_wait=" + wait});
    Begin();
    Client& romeo = GetsStored(1);
    const auto before = first().doubtful();
    Chat(2, kRomeo);
    RunUntil([&] { return Metric("parley_router_mailbox") == 1; });
    first().SetFrozen(false);
    ExpectIds(romeo, Numbers(1, 3));
    EXPECT_EQ(first().doubtful(), before + doubtful);
  }
  void KillHome() { KillRouter(second().HomeOf(kRomeo) == "router-1" ? 0 : 1); }
  std::size_t stored() const { return roster_->offline_count(kRomeo); }
  // Three messages are stored for him.
  Client OrphanWhoseHomeDies() {
    Configure(2);
    Begin();
    Client left = Kill(first(), GetsStored(3));
    RunUntilOrphaned();
    KillHome();
    return left;
  }
};

// Who says it may go on at an edge that has another router for Romeo, and have said it there again.
TEST_F(OrphansStoredTest, WhatWaitsForLongerThanAnEdgeThatHandsOverIsDoubted) { ExpectDoubtful("0ms", 2); }

TEST_F(OrphansStoredTest, WhatWaitsForLessIsNot) { ExpectDoubtful("1m", 1); }

TEST_F(OrphansStoredTest, ItComesBeforeWhatIsNew) {
  Begin();
  Client& romeo = GetsStored(3);
  const Client left = Kill(first(), romeo);
  Chat(4, kRomeo);
  Chat(5);
  RunUntilOrphaned();
  Chat(6, kRomeo);
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(1, 7));
  EXPECT_THAT(Ids(TakeOffline()), IsEmpty());
}

TEST_F(OrphansStoredTest, WhatItsEdgeHadQueuedComesOnce) {
  Begin();
  Client& romeo = GetsStored(3);
  first().SetHolding(true);
  first().TakeOneFrozen();
  first().TakeOneFrozen();
  first().TakeOneFrozen();
  RunUntil([&] { return Ids(romeo.received()).size() == 2; });
  const Client left = Kill(first(), romeo);
  EXPECT_EQ(stored(), 3u);
  Chat(4, kRomeo);
  RunUntilOrphaned();
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(1, 5));
}

// Its number tells: what its sender sent later may have been acknowledged, and it not.
TEST_F(OrphansStoredTest, WhatItsClientHadAcknowledgedDoesNotComeAgain) {
  Begin();
  Client& romeo = GetsStored(3);
  first().SetHolding(true);
  first().SetFrozen(false);
  RunUntil([&] { return Ids(romeo.received()).size() == 3; });
  first().Acknowledge(romeo, romeo.received().size() - 2);
  RunUntil([&] { return QueueLength(romeo.queue()) == "3"; });
  const Client left = Kill(first(), romeo);
  EXPECT_EQ(stored(), 3u);
  Chat(4, kRomeo);
  RunUntilOrphaned();
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(2, 5));
}

TEST_F(OrphansStoredTest, AnotherRouterGoesOn) {
  const Client left = OrphanWhoseHomeDies();
  Chat(4, kRomeo);
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(1, 5));
}

TEST_F(OrphansStoredTest, AnotherRouterGivesItToWhoResumes) {
  const Client left = OrphanWhoseHomeDies();
  ExpectIds(Resumed(second(), left), Numbers(1, 4));
  Settle();
  EXPECT_EQ(stored(), 0u);
}

// As where somebody logs in: what is new does not wait for PostgreSQL.
TEST_F(OrphansStoredTest, WithoutTheStoreItComesLater) {
  Configure(1, {"router.roster_timeout=100ms"});
  Begin();
  Client& romeo = GetsStored(3);
  roster_->SetBroken(true);
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  roster_->TakeAsked();
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 4; i < 34; ++i) Chat(i, kRomeo);
  Settle();
  // None for any of the thirty: the store is looked at once a second (RosterClient::MayBeBack), however long this
  // takes, and once more at the first time, as it may be away for a moment only.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begun);
  EXPECT_LE(roster_->TakeAsked().size(), static_cast<std::size_t>(seconds.count() + 1));
  EXPECT_EQ(stored(), 3u);
  roster_->SetBroken(false);
  RunUntil([&] { return stored() == 0; });
  std::vector<std::string> ids = Numbers(4, 34);
  for (const char* id : {"1", "2", "3"}) ids.emplace_back(id);
  ExpectIds(Resumed(second(), left), ids);
}

TEST_F(OrphansStoredTest, WithoutRedisWhatIsNewWaits) {
  Begin();
  Client& romeo = GetsStored(3);
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  Settle();
  redis_.Pause();
  Chat(4, kRomeo);
  RunUntil([&] { return !Missing().empty(); });
  Chat(5, kRomeo);
  redis_.Resume();
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(1, 6));
}

TEST_F(OrphansStoredTest, ItIsStoredInOrderAgain) {
  Begin();
  Client& romeo = GetsStored(3, kShort);
  first().TakeOneFrozen();
  first().TakeOneFrozen();
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  Login(first(),
        "benvolio@home.example/street");  // behind what it acknowledged: nothing comes back that is queued then
  Kill(first(), romeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

// With its first time, which is kept beside it and so not in it.
TEST_F(OrphansStoredTest, StoredAgainItIsWhatItWas) {
  Begin();
  Client& romeo = GetsStored(3, kShort);
  const auto before = roster_->offline(kRomeo);
  Kill(first(), romeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"stored\"}"), 3);
  EXPECT_EQ(roster_->offline(kRomeo), before);
  const auto taken = TakeOffline();
  const auto delayed = [](const std::string& stanza) { return stanza.ends_with("Offline Storage</delay></message>"); };
  EXPECT_EQ(std::count_if(taken.begin(), taken.end(), delayed), 3);
}

TEST_F(OrphansStoredTest, WithoutRedisNothingIsFetchedForWhatIsNew) {
  Configure(1, {"router.delivery_timeout=50ms"});
  Begin();
  Client& romeo = IsRefusedStored(3);
  Kill(first(), romeo);
  RunUntilOrphaned();
  Settle();
  ASSERT_EQ(stored(), 3u);
  redis_.Kill();
  RunUntil([&] { return !Missing().empty(); });
  roster_->TakeAsked();
  juliet().Take();
  for (int i = 4; i < 14; ++i) Chat(i, kRomeo);
  Settle();
  EXPECT_EQ(Ids(juliet().Take()), Numbers(4, 14));
  EXPECT_THAT(roster_->TakeAsked(), IsEmpty());
}

// Redis refuses the second, for too long, and has the first already.
TEST_F(OrphansStoredTest, WhatIsNewIsNotQueuedBeforeWhatCouldNotBe) {
  Configure(1, {"router.delivery_timeout=50ms"});
  Begin();
  Chat(0, kRomeo);
  Settle();
  link::v1::Envelope queued = edge().last();
  Client& romeo = IsRefusedStored(1);
  Redis({"RPUSH", session::QueueKey(kRomeo, romeo.queue()), session::Encode(queued, 1, 0)});
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  Settle();
  ASSERT_EQ(stored(), 2u);
  Redis({"ACL", "SETUSER", "router-1", "-rpushx"});
  roster_->SetHolding(true, "delete_offline");
  Chat(3, kRomeo);
  RunUntil([&] { return roster_->held() == 1; });
  Redis({"ACL", "SETUSER", "router-1", "+rpushx"});
  roster_->SetHolding(false);
  RunUntil([&] { return !Ids(juliet().received()).empty(); });
  EXPECT_EQ(Ids(juliet().Take()), Numbers(3, 4));
  ExpectIds(Resumed(second(), left), Numbers(0, 2));
}

TEST_F(OrphansStoredTest, AFullQueueKeepsItsOrder) {
  Configure(1, {"c2s.sm_max_stanzas=10", "c2s.sm_request_stanzas=5"});
  Begin();
  Client& romeo = GetsStored(15);
  Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(16, kRomeo);
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_max_stanzas\"}"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 17));
}

}  // namespace
}  // namespace parley::router

// What is stored for an account whose session's edge lives, but does not take it now.
#include <algorithm>
#include <utility>

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::IsEmpty;
using testing::ManagedTest;

class StoredRefusedTest : public ManagedTest {
 protected:
  static constexpr char kRomeo[] = "romeo@home.example";
  static constexpr char kOther[] = "romeo@home.example/other";

  // One message is stored for Romeo when he logs in. His edge refuses it.
  Client& RefusedByFirst(const std::string& priority = "0") {
    Chat(1, kRomeo);
    Settle();
    first().SetInDoubt(true);
    Client& romeo = Login(first(), kOrchard);
    romeo.Send("<presence><priority>" + priority + "</priority></presence>");
    Settle();
    EXPECT_EQ(stored(), 1u);
    return romeo;
  }
  Client& ManagedAndRefused(const std::string& priority = "0") {
    Client& romeo = RefusedByFirst("-1");
    first().Enable(romeo, kLong);
    RunUntil([&] { return first().answered(romeo); });
    romeo.Send("<presence><priority>" + priority + "</priority></presence>");
    Settle();
    return romeo;
  }
  // Of a lower priority. Gets what is stored for Romeo, and nothing that is new while there is another session.
  Client& LoginOther() {
    Client& other = Login(second(), kOther);
    other.Send("<presence/>");
    ExpectIds(other, {"1"});
    return other;
  }
  // And another session, of a lower priority, is there when something new is stored behind it.
  std::pair<Client*, Client*> OwedBesideAnother() {
    Client& romeo = RefusedByFirst("5");
    Client& other = LoginOther();
    Chat(2, kRomeo);
    RunUntil([&] { return stored() == 1; });
    return {&romeo, &other};
  }
  void PutBack(Client& romeo) {
    first().SetInDoubt(false);
    session::v1::Record record;
    record.set_resource("orchard");
    record.set_queue(romeo.queue());
    record.set_resume_ms(kLong);
    bool ok = false;
    first().Restore(romeo, record, [&ok](bool restored) { ok = restored; });
    RunUntil([&] { return ok; });
  }
  // Another router has written something, and nothing is known of what this one was about.
  void ReadAnew() {
    const double before = Metric("parley_router_accounts_invalidated_total");
    Redis({"HSET", "parley:s:{romeo@home.example}", "x", "y"});
    Redis({"HDEL", "parley:s:{romeo@home.example}", "x"});
    RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
  }
  // Somebody's edge is to be given what is stored, once more.
  void RunUntilFetched() {
    RunUntil([&] {
      const auto asked = roster_->TakeAsked();
      return std::find(asked.begin(), asked.end(), "fetch_offline") != asked.end();
    });
  }
  // The same for one who logs in now; by then all has been tried again that is.
  void RunUntilAnotherIsTried() {
    Chat(1, "benvolio@home.example");
    Settle();
    second().SetInDoubt(true);
    Login(second(), "benvolio@home.example/street").Send("<presence/>");
    Settle();
    roster_->TakeAsked();
    RunUntilFetched();
    RunUntilFetched();
  }
  std::size_t stored() const { return roster_->offline_count(kRomeo); }
};

TEST_F(StoredRefusedTest, WhatIsNewStaysBehindIt) {
  Begin();
  Client& romeo = ManagedAndRefused();
  Chat(2, kRomeo);
  Chat(3, kRomeo);
  Settle();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  PutBack(romeo);
  Chat(4, kRomeo);
  ExpectIds(romeo, Numbers(1, 5));
  EXPECT_EQ(stored(), 0u);
}

// Nor is it put back, as it was not for long that its edge did not know whose it is.
TEST_F(StoredRefusedTest, ItIsTriedAgainByItself) {
  Begin();
  Client& romeo = RefusedByFirst();
  Chat(2, kRomeo);
  Settle();
  first().SetInDoubt(false);
  ExpectIds(romeo, Numbers(1, 3));
  Chat(3, kRomeo);
  ExpectIds(romeo, Numbers(1, 4));
  EXPECT_EQ(stored(), 0u);
}

// A slow client's edge may have room again for what is behind it.
TEST_F(StoredRefusedTest, WhatIsBehindItInTheStoreIsNotTakenEither) {
  Begin();
  for (const int n : {1, 2, 3}) Chat(n, kRomeo);
  Settle();
  first().RefuseNextStored();
  Client& romeo = Login(first(), kOrchard);
  romeo.Send("<presence/>");
  ExpectIds(romeo, Numbers(1, 4));
  EXPECT_EQ(stored(), 0u);
}

TEST_F(StoredRefusedTest, RefusedAgainItStillComesFirst) {
  Begin();
  Client& romeo = RefusedByFirst();
  roster_->TakeAsked();
  RunUntilFetched();
  Settle();
  Chat(2, kRomeo);
  Settle();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  first().SetInDoubt(false);
  ExpectIds(romeo, Numbers(1, 3));
}

TEST_F(StoredRefusedTest, ResumedElsewhereTheSessionGetsItFirst) {
  Begin();
  Client& romeo = ManagedAndRefused();
  Chat(2, kRomeo);
  Settle();
  ExpectIds(Resumed(second(), romeo), Numbers(1, 3));
}

// As after another router's write.
TEST_F(StoredRefusedTest, ReadAnewTheSessionGetsItFirst) {
  Begin();
  Client& romeo = RefusedByFirst();
  ReadAnew();
  Chat(2, kRomeo);
  Settle();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  first().SetInDoubt(false);
  ExpectIds(romeo, Numbers(1, 3));
}

TEST_F(StoredRefusedTest, SoDoesOneThatWasBoundLongAgo) {
  Configure(1, {"router.recheck_stored=0ms"});
  Begin();
  Client& romeo = RefusedByFirst();
  ReadAnew();
  Chat(2, kRomeo);
  Settle();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  first().SetInDoubt(false);
  ExpectIds(romeo, Numbers(1, 3));
}

TEST_F(StoredRefusedTest, OneThatWasBoundLongAgoIsNotDoubtedByAnotherHome) {
  Configure(2, {"router.recheck_stored=0ms"});
  Begin();
  const std::size_t home = second().HomeOf(kRomeo) == "router-1" ? 0 : 1;
  Client& romeo = RefusedByFirst();
  KillRouter(home);
  Chat(2, kRomeo);
  ExpectIds(romeo, {"2"});
}

TEST_F(StoredRefusedTest, WhereItsHomeDiesTheNextOneGivesItFirst) {
  Configure(2);
  Begin();
  const std::size_t home = second().HomeOf(kRomeo) == "router-1" ? 0 : 1;
  Client& romeo = RefusedByFirst();
  first().SetInDoubt(false);
  first().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2", 1 - home); });
  KillRouter(home);
  Chat(2, kRomeo);
  RunUntil([&] { return stored() == 2; });
  first().Reconnect();
  ExpectIds(romeo, Numbers(1, 3));
}

// Nobody takes what is stored while the session is asked for.
TEST_F(StoredRefusedTest, NotHandedOverTheSessionGetsItFirst) {
  Begin();
  Client& romeo = ManagedAndRefused();
  first().SetInDoubt(false);
  first().SetFrozen(true);
  first().SetKeeping(true);
  second().Resume(romeo);
  RunUntil([&] { return first().frozen() == 1; });  // it is asked for it
  Chat(2, kRomeo);
  roster_->TakeAsked();
  RunUntilFetched();
  Chat(3, kRomeo);
  RunUntil([&] { return stored() == 3; });
  first().SetFrozen(false);
  ExpectIds(romeo, Numbers(1, 4));
}

TEST_F(StoredRefusedTest, AnOrphanGetsItFirst) {
  Begin();
  Client& romeo = ManagedAndRefused();
  Chat(2, kRomeo);
  Settle();
  const Client left(second(), kRomeo, romeo.id());
  KillEdge(first());
  RunUntilOrphaned();
  Chat(3, kRomeo);
  Settle();
  EXPECT_EQ(stored(), 0u);
  ExpectIds(Resumed(second(), left), Numbers(1, 4));
}

// Without Redis it would be fetched for nothing, again and again.
TEST_F(StoredRefusedTest, AnOrphanGetsItWithWhatIsNewAndNotBefore) {
  Begin();
  ManagedAndRefused();
  KillEdge(first());
  RunUntilOrphaned();
  RunUntilAnotherIsTried();
  Settle();
  EXPECT_EQ(stored(), 1u);
  Chat(2, kRomeo);
  Settle();
  EXPECT_EQ(stored(), 0u);
}

TEST_F(StoredRefusedTest, WhoNeverGotItLeavesItInOrder) {
  Begin();
  Client& romeo = RefusedByFirst();
  Chat(2, kRomeo);
  Settle();
  romeo.Close();
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(StoredRefusedTest, WhoEndsLeavesItToAnotherSession) {
  Begin();
  const auto [romeo, other] = OwedBesideAnother();
  romeo->Close();
  ExpectIds(*other, Numbers(1, 3));
  EXPECT_EQ(stored(), 0u);
}

TEST_F(StoredRefusedTest, AnotherSessionGetsItBeforeWhatIsNew) {
  Begin();
  const auto [romeo, other] = OwedBesideAnother();
  romeo->Close();
  Settle();
  Chat(3, kRomeo);
  ExpectIds(*other, Numbers(1, 4));
  EXPECT_EQ(stored(), 0u);
}

TEST_F(StoredRefusedTest, SoItDoesIfTheFirstIsNotAvailableAnyMore) {
  Begin();
  const auto [romeo, other] = OwedBesideAnother();
  romeo->Send("<presence type='unavailable'/>");
  Settle();
  Chat(3, kRomeo);
  ExpectIds(*other, Numbers(1, 4));
  first().SetInDoubt(false);
  romeo->Send("<presence><priority>5</priority></presence>");
  Settle();
  Chat(4, kRomeo);
  ExpectIds(*romeo, {"4"});
}

// An orphan, with what is new.
TEST_F(StoredRefusedTest, SoItDoesIfItIsAway) {
  Begin();
  Client& romeo = RefusedByFirst("5");
  Client& other = LoginOther();
  second().Enable(other, kLong);
  RunUntil([&] { return second().answered(other); });
  const Client left(first(), kRomeo, other.id());
  KillEdge(second());
  RunUntilOrphaned();
  Chat(2, kRomeo);
  RunUntil([&] { return stored() == 1; });
  romeo.Close();
  Settle();
  Chat(3, kRomeo);
  RunUntil([&] { return stored() == 0; });
  first().SetInDoubt(false);
  ExpectIds(Resumed(first(), left), Numbers(2, 4));
}

// Which its client has not acknowledged, and which came before that.
TEST_F(StoredRefusedTest, AnotherSessionGetsItBehindWhatTheFirstLeaves) {
  Begin();
  Client& romeo = ManagedAndRefused("5");
  Client& other = LoginOther();
  Chat(2);
  ExpectIds(romeo, {"2"});
  Chat(3, kRomeo);
  RunUntil([&] { return stored() == 1; });
  romeo.Close();
  Settle();
  Chat(4, kRomeo);
  ExpectIds(other, Numbers(1, 5));
}

// It has no place in the store.
TEST_F(StoredRefusedTest, WhatIsForTheResourceAloneComesAtOnce) {
  Begin();
  Client& romeo = RefusedByFirst();
  Chat(2);
  juliet().Send("<message type='headline' to='romeo@home.example' id='3'><body>x</body></message>");
  ExpectIds(romeo, {"2", "3"});
  EXPECT_EQ(stored(), 1u);
}

// To both, as ever.
TEST_F(StoredRefusedTest, WhatAnotherSessionGetsTooComesAtOnce) {
  Begin();
  Client& romeo = RefusedByFirst();
  Client& other = Login(second(), "romeo@home.example/other");
  other.Send("<presence/>");
  Settle();
  Chat(2, kRomeo);
  ExpectIds(other, Numbers(1, 3));
  ExpectIds(romeo, {"2"});
}

// What is stored one of them would get.
TEST_F(StoredRefusedTest, WhatTwoSessionsThatLackItGetComesAtOnceToBoth) {
  Begin();
  Client& romeo = RefusedByFirst();
  Client& other = Login(first(), "romeo@home.example/other");
  other.Send("<presence/>");
  Settle();
  Chat(2, kRomeo);
  Settle();
  first().SetInDoubt(false);
  RunUntil([&] { return stored() == 0; });
  Settle();
  for (Client* each : {&romeo, &other}) EXPECT_THAT(Ids(each->received()), ::testing::Contains("2"));
}

// To ask such an edge again is of no use: what is new shows that it does not have the session.
TEST_F(StoredRefusedTest, NothingIsStoredForAGhost) {
  Begin();
  Client& ghost = RefusedByFirst();
  first().Lose(ghost);
  roster_->TakeAsked();
  RunUntilFetched();
  Chat(2, kRomeo);
  RunUntil([&] { return Metric("parley_router_ghost_sessions_total") == 1; });
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(StoredRefusedTest, OtherSessionsDoNotWaitForALinkToItsEdge) {
  Begin();
  Client& romeo = RefusedByFirst();
  Client& other = Login(second(), "romeo@home.example/other");
  first().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  RunUntilAnotherIsTried();
  other.Send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
  RunUntil([&] { return !other.received().empty(); });
  EXPECT_EQ(stored(), 1u);
  first().SetInDoubt(false);
  first().Reconnect();
  ExpectIds(romeo, {"1"});
}

// As where somebody logs in: what is new does not wait for PostgreSQL, if that is away for long.
TEST_F(StoredRefusedTest, WithoutTheStoreWhatIsNewComesAtOnce) {
  Configure(1, {"router.roster_timeout=200ms"});
  Begin();
  Client& romeo = RefusedByFirst();
  roster_->SetBroken(true);
  roster_->TakeAsked();
  RunUntilFetched();
  Settle();
  Chat(2, kRomeo);
  ExpectIds(romeo, {"2"});
  first().SetInDoubt(false);
  roster_->SetBroken(false);
  ExpectIds(romeo, {"2", "1"});
}

TEST_F(StoredRefusedTest, ForAMomentWhatIsNewWaitsForTheStore) {
  Configure(1, {"router.roster_timeout=1m"});
  Begin();
  Chat(1, kRomeo);
  Settle();
  Client& romeo = Login(first(), kOrchard);
  roster_->BreakAfter(1);  // the roster, for which presence is told
  romeo.Send("<presence/>");
  RunUntilFetched();
  Chat(2, kRomeo);
  RunUntilFetched();
  EXPECT_THAT(Ids(romeo.received()), IsEmpty());
  roster_->SetBroken(false);
  ExpectIds(romeo, Numbers(1, 3));
}

}  // namespace
}  // namespace parley::router

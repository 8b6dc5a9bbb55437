// Messages on their way into a store that is slow.
#include "services/router/testing/cluster.h"
#include "services/router/testing/numbered.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Chat;
using testing::Client;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ids;
using ::testing::IsEmpty;
using testing::Numbers;

constexpr char kGetRoster[] = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>";
constexpr char kJuliet[] = "juliet@home.example";
constexpr char kBenvolio[] = "benvolio@home.example";

std::string Refusal(roster::v1::Problem problem) {
  roster::v1::Answer answer;
  answer.set_problem(problem);
  return answer.SerializeAsString();
}

std::string Stored() {
  roster::v1::Answer answer;
  answer.mutable_stored();
  return answer.SerializeAsString();
}

class OfflineSpoolTest : public testing::ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    roster_->SetOfflineQuota(10000);
  }
  // Nothing is asked twice for want of an answer.
  void Begin(std::vector<std::string> settings = {}) {
    settings.emplace_back("router.roster_timeout=60s");
    Configure(1, std::move(settings));
  }
  void SlowStore() { roster_->SetHolding(true, "store_offline"); }
  void QuickStore() { roster_->SetHolding(false); }
  void AwaitAsks(std::size_t count) {
    std::size_t asked = 0;
    RunUntil([&] { return (asked += roster_->TakeAsked().size()) >= count; });
  }
  // And a fourth waits behind them.
  Client& LogInWhileThreeAreAskedForAgain(Client& romeo) {
    roster_->TakeAsked();
    for (int i = 0; i < 3; ++i) Chat(romeo, i);
    AwaitAsks(4);  // one of them again
    Chat(romeo, 3);
    RunUntil([&] { return edge().unacknowledged() == 4; });
    Client& juliet = Login("juliet@home.example/balcony");
    EXPECT_EQ(Metric("parley_router_storing"), 3);
    return juliet;
  }
  // All that the store was given until now, in one go; until `done`. How often.
  int CommitUntil(const std::function<bool()>& done) {
    const auto given = [&] { return roster_->held() > 0 && Metric("parley_router_storing") == roster_->held(); };
    int commits = 0;
    while (true) {
      RunUntil([&] { return done() || given(); });
      if (done()) return commits;
      QuickStore();
      SlowStore();
      ++commits;
    }
  }
};

TEST_F(OfflineSpoolTest, ABindWaitsForFewCommitsBehindHundredsOfMessages) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  for (int i = 0; i < 500; ++i) Chat(romeo, i);
  Client& juliet = edge().Bind(kJuliet, "balcony");
  EXPECT_LE(CommitUntil([&] { return edge().answered(juliet); }), 12);
  EXPECT_EQ(juliet.jid(), "juliet@home.example/balcony");
  juliet.Send("<presence/>");
  QuickStore();
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 500));
}

TEST_F(OfflineSpoolTest, ABindDoesNotWaitForWhatIsOnItsWay) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  for (int i = 0; i < 10; ++i) Chat(romeo, i);
  RunUntil([&] { return roster_->held() > 0; });
  Client& juliet = Login("juliet@home.example/balcony");
  EXPECT_EQ(roster_->offline_count(kJuliet), 0u);
  juliet.Send("<presence/>");
  for (int i = 10; i < 20; ++i) Chat(romeo, i);
  RunUntil([&] { return Metric("parley_router_mailbox") > 0; });
  EXPECT_THAT(Ids(juliet.received()), IsEmpty());
  QuickStore();
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 20));
  EXPECT_EQ(roster_->offline_count(kJuliet), 0u);
}

// As after a fault of the link: its sender has sent all of it again.
TEST_F(OfflineSpoolTest, WhatIsSentAgainTakesThePlaceOfWhatWaits) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  std::vector<rpc::Envelope> sent;
  for (int i = 1; i < 20; ++i) {
    Chat(romeo, i);
    sent.push_back(edge().last());
  }
  RunUntil([&] { return Metric("parley_router_mailbox") >= 18; });
  for (int times = 1; times <= 3; ++times) {
    edge().Disconnect();
    RunUntil([&] { return !HasEdge("c2s-1"); });
    edge().Reconnect();
    RunUntil([&] { return HasEdge("c2s-1"); });
    for (const auto& envelope : sent) edge().SendAgain(std::make_unique<rpc::Envelope>(envelope));
    RunUntil([&] { return Metric("parley_router_mailbox_repeats_total") >= 18 * times; });
  }
  roster_->TakeAsked();
  QuickStore();
  Settle();
  EXPECT_EQ(roster_->offline_count(kJuliet), 20u);
  // Each once, and the one that was not waiting in the mailbox any more.
  EXPECT_LE(roster_->TakeAsked().size(), 24u);
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send("<presence/>");
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 20));
}

TEST_F(OfflineSpoolTest, NoMoreThanTheLimitIsAskedForAtATime) {
  Begin({"router.offline_batch=4", "router.max_storing=6"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  for (int i = 0; i < 20; ++i) Chat(romeo, i);
  for (int i = 0; i < 20; ++i) Chat(romeo, i, kBenvolio);
  const auto stored = [&] {
    EXPECT_LE(roster_->held(), 6u);
    return roster_->offline_count(kJuliet) == 20 && roster_->offline_count(kBenvolio) == 20;
  };
  EXPECT_GE(CommitUntil(stored), 40 / 6);
  EXPECT_GT(Metric("parley_router_limits_total{limit=\"max_storing\"}"), 0);
  QuickStore();
  Settle();
  EXPECT_EQ(Metric("parley_router_storing"), 0);
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send("<presence/>");
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 20));
}

// With it nothing of the account is on its way, that it might wait for.
TEST_F(OfflineSpoolTest, ABindDoesNotWaitForAPlaceThatItsAccountWaitsFor) {
  Begin({"router.max_storing=1"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  for (int i = 1; i <= 3; ++i) Chat(romeo, i, kBenvolio);
  RunUntil([&] { return Metric("parley_router_storing_waiting") == 1; });
  Client& benvolio = Login("benvolio@home.example/street");
  EXPECT_EQ(benvolio.jid(), "benvolio@home.example/street");
  EXPECT_EQ(roster_->held(), 1u);
  benvolio.Send("<presence/>");
  QuickStore();
  EXPECT_EQ(Ids(Received(benvolio)), Numbers(1, 4));
}

TEST_F(OfflineSpoolTest, APlaceIsTheNextOnesAsSoonAsItIsFree) {
  Begin({"router.max_storing=2"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  Chat(romeo, 1);
  RunUntil([&] { return roster_->held() == 2; });
  Chat(romeo, 2, kBenvolio);
  RunUntil([&] { return Metric("parley_router_storing_waiting") == 1; });
  // One of the two is in doubt, and asked for again.
  int answered = 0;
  roster_->AnswerAll(
      [&] { return Refusal(answered++ == 0 ? roster::v1::PROBLEM_IN_DOUBT : roster::v1::PROBLEM_OVERLOADED); });
  QuickStore();
  RunUntil([&] { return romeo.received().size() == 2; });
  EXPECT_THAT(Ids(romeo.received()), ElementsAre("1", "2"));
  EXPECT_EQ(Metric("parley_router_storing"), 1);
}

TEST_F(OfflineSpoolTest, WhoWaitsForAPlaceForTooLongIsTold) {
  Begin({"router.max_storing=1", "router.roster_doubt_timeout=300ms"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  for (int i = 1; i <= 3; ++i) Chat(romeo, i, kBenvolio);
  RunUntil([&] { return romeo.received().size() == 3; });
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 4));
  EXPECT_THAT(romeo.Take(), Each(AllOf(HasSubstr("type='error'"), HasSubstr("type='wait'"),
                                       HasSubstr("<resource-constraint"), HasSubstr("cannot be stored"))));
  EXPECT_EQ(Metric("parley_router_storing_late_total"), 3);
  EXPECT_GE(Metric("parley_router_limits_total{limit=\"max_storing\"}"), 1);
  QuickStore();
  Settle();
  EXPECT_EQ(roster_->offline_count(kJuliet), 1u);
  Chat(romeo, 4, kBenvolio);
  Settle();
  EXPECT_EQ(roster_->offline_count(kBenvolio), 1u);
}

// Whoever has it now answers.
TEST_F(OfflineSpoolTest, NobodyIsToldOfWhatIsSentAgainMeanwhile) {
  Begin({"router.max_storing=1", "router.roster_doubt_timeout=1s"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  Chat(romeo, 1, kBenvolio);
  RunUntil([&] { return Metric("parley_router_storing_waiting") == 1; });
  edge().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-1"); });
  RunUntil([&] { return Metric("parley_router_storing_waiting") == 0; });
  RunUntil([&] { return Metric("parley_router_mailbox") == 0; });
  EXPECT_EQ(Metric("parley_router_storing_late_total"), 0);
  EXPECT_EQ(Metric("parley_router_bounces_total{condition=\"resource-constraint\"}"), 0);
  QuickStore();
}

TEST_F(OfflineSpoolTest, WhatItsSenderHasSentElsewhereIsAskedForNoMore) {
  Begin({"router.roster_doubt_timeout=10m"});
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  roster_->DoubtNext(1);
  roster_->TakeAsked();
  Chat(romeo, 0);
  AwaitAsks(2);  // the same again
  EXPECT_EQ(Metric("parley_router_storing"), 1);
  edge().Disconnect();
  RunUntil([&] { return Metric("parley_router_storing") == 0; });
  EXPECT_EQ(Metric("parley_router_bounces_total{condition=\"resource-constraint\"}"), 0);
}

// Who logs in meanwhile delays the last at most.
TEST_F(OfflineSpoolTest, WhatIsInDoubtIsAskedForAgainInOrder) {
  Begin({"router.roster_doubt_timeout=10m"});
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->AnswerAll([] { return Refusal(roster::v1::PROBLEM_IN_DOUBT); });
  Client& juliet = LogInWhileThreeAreAskedForAgain(romeo);
  roster_->AnswerAll(nullptr);
  juliet.Send("<presence/>");
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 4));
}

// PostgreSQL is away for a moment. Who logs in meanwhile does not wait for it.
TEST_F(OfflineSpoolTest, WhatTheStoreCannotTakeIsAskedForAgainInOrder) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  Client& juliet = LogInWhileThreeAreAskedForAgain(romeo);
  roster_->SetBroken(false);
  juliet.Send("<presence/>");
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 4));
  EXPECT_THAT(romeo.received(), IsEmpty());
}

// So that not every message holds up its account, and takes a place, all the while.
TEST_F(OfflineSpoolTest, WhenTheStoreHasBeenAwayForLongSendersAreToldAtOnce) {
  Configure(1, {"router.roster_timeout=300ms"});
  Client& romeo = Online("romeo@home.example/orchard");
  const auto is_told_to_wait = ElementsAre(AllOf(HasSubstr("type='wait'"), HasSubstr("<resource-constraint")));
  roster_->SetBroken(true);
  Chat(romeo, 0);
  EXPECT_THAT(Received(romeo), is_told_to_wait);
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"roster_timeout\"}"), 1);
  roster_->TakeAsked();
  Chat(romeo, 1);
  EXPECT_THAT(Received(romeo), is_told_to_wait);
  EXPECT_THAT(roster_->TakeAsked(), ElementsAre("store_offline"));
  roster_->SetBroken(false);
  Chat(romeo, 2);
  EXPECT_THAT(Received(romeo), IsEmpty());
  EXPECT_EQ(roster_->offline_count(kJuliet), 1u);
}

TEST_F(OfflineSpoolTest, WhatCannotBeStoredThoughOthersCanIsNotAskedForForEver) {
  Configure(1, {"router.roster_timeout=300ms"});
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetUnstorable(kJuliet);
  Chat(romeo, 0);
  for (std::size_t i = 1; romeo.received().empty() && i < 5000; ++i) {
    Chat(romeo, static_cast<int>(i), kBenvolio);
    RunUntil([&] { return roster_->offline_count(kBenvolio) == i; });
  }
  EXPECT_THAT(romeo.received(), ElementsAre(AllOf(HasSubstr("id='0'"), HasSubstr("<resource-constraint"))));
  // Nor does the next one wait, though others were stored in between.
  roster_->TakeAsked();
  Chat(romeo, 10000);
  RunUntil([&] { return romeo.received().size() == 2; });
  EXPECT_THAT(roster_->TakeAsked(), ElementsAre("store_offline"));
}

// Of the same sender it may be.
TEST_F(OfflineSpoolTest, WhatWouldComeBehindALaterOneIsReturned) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  int answered = 0;
  roster_->AnswerAll([&] { return answered++ == 1 ? Stored() : Refusal(roster::v1::PROBLEM_STORE); });
  roster_->TakeAsked();
  for (int i = 0; i < 3; ++i) Chat(romeo, i);
  AwaitAsks(4);
  EXPECT_THAT(Ids(romeo.received()), ElementsAre("0"));
  EXPECT_EQ(Metric("parley_router_storing"), 1);
  roster_->AnswerAll(nullptr);
  EXPECT_THAT(Ids(Received(romeo)), ElementsAre("0"));
  EXPECT_EQ(roster_->offline_count(kJuliet), 1u);
}

TEST_F(OfflineSpoolTest, WhatIsRefusedAsTooMuchWaitsIsNotAskedForAgain) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->AnswerAll([] { return Refusal(roster::v1::PROBLEM_OVERLOADED); });
  roster_->TakeAsked();
  Chat(romeo, 0);
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='wait'"), HasSubstr("<resource-constraint"))));
  EXPECT_THAT(roster_->TakeAsked(), ElementsAre("store_offline"));
}

TEST_F(OfflineSpoolTest, WhatTheStoreCannotTakeAndItsSenderHasSentElsewhereIsDropped) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  roster_->TakeAsked();
  Chat(romeo, 0);
  AwaitAsks(2);
  edge().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-1"); });
  roster_->SetBroken(false);
  RunUntil([&] { return Metric("parley_router_storing") == 0; });
  EXPECT_EQ(roster_->offline_count(kJuliet), 0u);
  EXPECT_EQ(Metric("parley_router_bounces_total{condition=\"resource-constraint\"}"), 0);
}

// Nor is the last one of a round waited for that its sender has sent elsewhere.
TEST_F(OfflineSpoolTest, ABindDoesNotWaitForWhatIsAskedForNoMore) {
  Begin({"router.roster_doubt_timeout=10m"});
  Client& romeo = Online("romeo@home.example/orchard");
  testing::Edge& other = AddEdge("c2s-2");
  Client& benvolio = Online(other, "benvolio@home.example/street");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  Chat(romeo, 1);  // waits in its turn
  romeo.Send("<iq type='get' id='v' to='home.example'><query xmlns='jabber:iq:version'/></iq>");
  RunUntil([&] { return !romeo.received().empty(); });
  Chat(benvolio, 2);
  RunUntil([&] { return Metric("parley_router_mailbox") == 1; });
  QuickStore();
  roster_->AnswerAll([] { return Refusal(roster::v1::PROBLEM_IN_DOUBT); });
  RunUntil([&] { return Metric("parley_router_storing") == 2; });
  Chat(romeo, 3);  // waits for these two
  RunUntil([&] {
    edge().Hurry();
    return edge().unacknowledged() == 2;
  });
  other.Disconnect();
  RunUntil([&] { return Metric("parley_router_storing") == 1; });
  const Client& juliet = Login("juliet@home.example/balcony");
  EXPECT_EQ(juliet.jid(), "juliet@home.example/balcony");
  EXPECT_EQ(Metric("parley_router_storing"), 1);
}

// By a service of another release: it will not change its mind.
TEST_F(OfflineSpoolTest, WhatTheServiceRefusesIsNotAskedForAgain) {
  Begin({"router.roster_doubt_timeout=10m"});
  Client& romeo = Online("romeo@home.example/orchard");
  const double failures = Metric("parley_router_roster_failures_total");
  roster_->AnswerAll([] { return Error("not an ask"); });
  Chat(romeo, 0);
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("<resource-constraint")));
  roster_->AnswerAll([] { return std::string("\xff\xff"); });
  Chat(romeo, 1);
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("<resource-constraint")));
  EXPECT_EQ(Metric("parley_router_roster_failures_total"), failures + 2);
}

TEST_F(OfflineSpoolTest, MoreThanMayWaitForOneAccountIsRefused) {
  Begin({"router.max_mailbox=10"});
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 0);
  RunUntil([&] { return roster_->held() == 1; });
  for (int i = 1; i <= 12; ++i) Chat(romeo, i);
  RunUntil([&] { return !romeo.received().empty(); });
  EXPECT_THAT(romeo.received(), ElementsAre(AllOf(HasSubstr("id='12'"), HasSubstr("resource-constraint"))));
  QuickStore();
  Settle();
  EXPECT_EQ(roster_->offline_count(kJuliet), 12u);
}

// The service may have looked before the message was there.
TEST_F(OfflineSpoolTest, ThatNothingIsStoredIsNotBelievedWhileSomethingIsOnItsWay) {
  Begin();
  Client& romeo = Online("romeo@home.example/orchard");
  SlowStore();
  Chat(romeo, 1);
  RunUntil([&] { return roster_->held() == 1; });
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send(kGetRoster);
  RunUntil([&] { return !juliet.received().empty(); });
  QuickStore();
  Settle();
  juliet.Send("<presence/>");
  EXPECT_THAT(Ids(Received(juliet)), ElementsAre("1"));
}

}  // namespace
}  // namespace parley::router

// Redis that can be reached, and refuses to write, as when its disk is full.
#include <gmock/gmock.h>

#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OrphansTest;

class RefusedTest : public OrphansTest {
 protected:
  static constexpr char kRomeo[] = "romeo@home.example";
  static constexpr char kKey[] = "parley:s:{romeo@home.example}";

  void BeginWith(std::vector<std::string> settings) {
    Configure(1, std::move(settings));
    Begin();
  }
  void RefuseWrites() { Redis({"CONFIG", "SET", "min-replicas-to-write", "1"}); }
  void TakeWrites() { Redis({"CONFIG", "SET", "min-replicas-to-write", "0"}); }
  void AwaitFromRomeo(const std::string& what) {
    RunUntil([&] {
      const auto& got = juliet().received();
      return std::any_of(got.begin(), got.end(), [&](const auto& stanza) {
        return stanza.find("<presence") == 0 && stanza.find(what) != std::string::npos;
      });
    });
  }
  // Nobody but the router knows his presence.
  Client& RomeoWithUnsavedPresence() {
    Client& romeo = Login(first(), kOrchard);
    RefuseWrites();
    romeo.Send("<presence><priority>3</priority></presence>");
    AwaitFromRomeo("<priority>3</priority>");
    Settle();
    EXPECT_EQ(RecordOf().presence(), "");
    EXPECT_EQ(Metric("parley_router_unsaved"), 1);
    return romeo;
  }
  // As another router.
  void WriteAgain(const std::string& presence) {
    auto record = RecordOf();
    record.set_revision(record.revision() + 1);
    record.set_presence(presence);
    const std::string stamp = record.session() + " " + std::to_string(record.revision()) + "\n";
    Redis({"HSET", kKey, "orchard", stamp + record.SerializeAsString()});
  }
  void AwaitInvalidation(double before) {
    RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
  }
};

TEST_F(RefusedTest, PresenceIsInForceAndWrittenLater) {
  BeginWith({"router.unsaved_retry=50ms"});
  Client& romeo = RomeoWithUnsavedPresence();
  romeo.Take();
  Chat(1, kRomeo);
  ExpectIds(romeo, {"1"});
  TakeWrites();
  RunUntil([&] { return !RecordOf().presence().empty(); });
  EXPECT_EQ(RecordOf().priority(), 3);
  RunUntil([&] { return Metric("parley_router_unsaved") == 0; });
}

TEST_F(RefusedTest, WhatIsRefusedIsNotTriedAgainAtOnce) {
  BeginWith({"router.unsaved_retry=10m"});
  Client& romeo = Login(first(), kOrchard);
  RefuseWrites();
  const double before = Metric("parley_router_account_loads_total");
  romeo.Send("<presence id='1'/>");
  AwaitFromRomeo("id='1'");
  EXPECT_EQ(Metric("parley_router_account_loads_total"), before);
  TakeWrites();
}

TEST_F(RefusedTest, ThatItIsOverIsWrittenLater) {
  BeginWith({"router.unsaved_retry=50ms"});
  Client& romeo = Online(first(), kOrchard);
  RefuseWrites();
  romeo.Send("<presence type='unavailable'/>");
  AwaitFromRomeo("unavailable");
  TakeWrites();
  RunUntil([&] { return RecordOf().presence().empty(); });
}

TEST_F(RefusedTest, WhoGotDirectedPresenceIsWrittenLater) {
  BeginWith({"router.unsaved_retry=50ms"});
  Client& romeo = Login(first(), kOrchard);
  RefuseWrites();
  romeo.Send("<presence to='nurse@other.example/kitchen'/>");
  Settle();
  TakeWrites();
  RunUntil([&] { return RecordOf().directed_size() == 1; });
}

TEST_F(RefusedTest, HowFarTheQueueGoesIsWrittenLater) {
  BeginWith({"router.unsaved_retry=50ms"});
  Client& romeo = Managed(first(), kOrchard);
  RefuseWrites();
  first().SayUnlogged(romeo, 3);
  Settle();
  TakeWrites();
  RunUntil([&] { return RecordOf().has_unlogged_after(); });
  EXPECT_EQ(RecordOf().unlogged_after(), 3u);
}

TEST_F(RefusedTest, WhenOneIsWrittenAllOthersAre) {
  BeginWith({"router.unsaved_retry=1s"});
  constexpr int kOthers = 50;
  std::vector<Client*> others;
  for (int i = 0; i < kOthers; ++i) {
    others.push_back(&Login(first(), "u" + std::to_string(i) + "@home.example/home"));
  }
  RomeoWithUnsavedPresence();
  for (Client* other : others) other->Send("<presence/>");
  RunUntil([&] { return Metric("parley_router_unsaved") == kOthers + 1; });
  TakeWrites();
  // One each second would be too late.
  RunUntil([&] { return Metric("parley_router_unsaved") == 0; });
  EXPECT_EQ(RecordOf().priority(), 3);
}

TEST_F(RefusedTest, WhatWasReadAnewMeanwhileIsWrittenLaterToo) {
  BeginWith({"router.unsaved_retry=50ms"});
  Client& romeo = Login(first(), kOrchard);
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  romeo.Send("<presence/>");
  Settle();
  RefuseWrites();
  JoinToRedis(0);
  RunUntil([&] { return Missing().empty(); });
  Chat(1, kRomeo);
  ExpectIds(romeo, {"1"});
  TakeWrites();
  RunUntil([&] { return !RecordOf().presence().empty(); });
}

TEST_F(RefusedTest, WhatIsWrittenNowhereIsNotForgottenForOthers) {
  BeginWith({"router.unsaved_retry=10m", "router.max_accounts_cached=100"});
  Client& romeo = RomeoWithUnsavedPresence();
  romeo.Take();
  for (int i = 0; i < 120; ++i) Chat(i, "u" + std::to_string(i) + "@home.example");
  Settle();
  Chat(1, kRomeo);
  ExpectIds(romeo, {"1"});
  TakeWrites();
}

TEST_F(RefusedTest, WhatIsWrittenNowhereIsNotForgottenAsTheAccountChanges) {
  BeginWith({"router.unsaved_retry=10m"});
  Client& romeo = RomeoWithUnsavedPresence();
  romeo.Take();
  const double before = Metric("parley_router_accounts_invalidated_total");
  TakeWrites();
  Redis({"HSET", kKey, "x", "y"});
  AwaitInvalidation(before);
  Chat(1, kRomeo);
  ExpectIds(romeo, {"1"});
  EXPECT_EQ(RecordOf().priority(), 3);
}

TEST_F(RefusedTest, WhatAnotherRouterWroteBeforeCounts) {
  BeginWith({"router.unsaved_retry=10m"});
  RomeoWithUnsavedPresence();
  const double before = Metric("parley_router_accounts_invalidated_total");
  TakeWrites();
  WriteAgain("<presence id='newer'/>");
  AwaitInvalidation(before);
  Chat(1, kRomeo);
  Settle();
  EXPECT_THAT(RecordOf().presence(), HasSubstr("newer"));
}

// It would count on being in Redis under the new lease.
TEST_F(RefusedTest, ASessionIsNotPutBackBeforeItIsWritten) {
  BeginWith({});
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  Settle();
  RefuseWrites();
  std::optional<bool> ok;
  const auto restore = [&] {
    session::v1::Record record;
    record.set_resource("orchard");
    record.set_queue(romeo.queue());
    record.set_resume_ms(kLong);
    ok.reset();
    first().Restore(romeo, record, [&](bool restored) { ok = restored; });
    RunUntil([&] { return ok.has_value(); });
  };
  restore();
  EXPECT_FALSE(*ok);
  EXPECT_NE(RecordOf().away_since(), 0);
  TakeWrites();
  restore();
  EXPECT_TRUE(*ok);
}

// That it is one cannot be written. The edge would be asked again and again.
TEST_F(RefusedTest, WhatIsForAnOrphanWaitsAndIsBouncedThen) {
  BeginWith({"router.unsaved_retry=50ms", "router.delivery_timeout=500ms"});
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  RefuseWrites();
  first().Lose(romeo);
  const double before = Metric("parley_router_account_loads_total");
  juliet().Take();
  Chat(2);
  RunUntil([&] { return !juliet().received().empty(); });
  EXPECT_THAT(juliet().received(), ElementsAre(HasSubstr("resource-constraint")));
  EXPECT_LT(Metric("parley_router_account_loads_total") - before, 50);
  TakeWrites();
  RunUntil([&] { return RecordOf().away_since() != 0; });
  Chat(3);
  Client& back = Resumed(second(), romeo);
  ExpectIds(back, {"1", "3"});
}

}  // namespace
}  // namespace parley::router

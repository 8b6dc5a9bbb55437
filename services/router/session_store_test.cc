// What Redis has of sessions: other routers write it, too, it may be lost, and edges have it put back.
#include <optional>
#include <set>

#include "services/router/testing/sessions.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kRomeoKey;
using ::testing::SizeIs;
using xmpp::Subscription;

class SessionStoreTest : public testing::SessionsTest {
 protected:
  // Under the lease that the edge has.
  bool Restore(Client& client) {
    session::v1::Record record;
    record.set_resource("orchard");
    std::optional<bool> ok;
    edge().Restore(client, record, [&](bool restored) { ok = restored; });
    RunUntil([&] { return ok.has_value(); });
    return *ok;
  }
};

TEST_F(SessionStoreTest, AChangeByAnotherRouterIsSeen) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  Chat(juliet, "romeo@home.example", "1");
  EXPECT_THAT(Received(romeo), SizeIs(1));
  const double loads = Metric("parley_router_account_loads_total");
  Redis({"DEL", kRomeoKey});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > 0; });
  Chat(juliet, "romeo@home.example", "2");
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  EXPECT_GT(Metric("parley_router_account_loads_total"), loads);
}

TEST_F(SessionStoreTest, OwnWritesKeepUsInformed) {
  // Redis forgets who has read a key when it changes, also by ourselves: the scripts read last.
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence><show>away</show></presence>");
  Settle();
  const double before = Metric("parley_router_accounts_invalidated_total");
  Redis({"HDEL", kRomeoKey, "x"});
  Redis({"HSET", kRomeoKey, "x", "y"});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
}

TEST_F(SessionStoreTest, AWriteLostToAnotherRouterIsDoneAgain) {
  Client& romeo = Login("romeo@home.example/orchard");
  // Another router raised the revision, and we have not heard of it yet.
  session::v1::Record record = RecordInRedis();
  record.set_revision(6);
  record.set_interested(true);
  WriteAsAnotherRouter(record);
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(romeo), SizeIs(1));
  EXPECT_THAT(Redis({"HGET", kRomeoKey, "orchard"}), ::testing::StartsWith(record.session() + " 8\n"));
}

TEST_F(SessionStoreTest, WithoutRedisThoseThatAreKnownTalkOn) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  redis_.Stop();
  RunUntil([&] { return !Missing().empty(); });
  Chat(juliet, "romeo@home.example", "1");
  juliet.Send("<presence><show>away</show></presence>");
  EXPECT_THAT(Received(romeo), SizeIs(1));
  EXPECT_THAT(juliet.Take(), SizeIs(1));
}

TEST_F(SessionStoreTest, AnEmptiedRedisIsFilledAgainByRestore) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  Redis({"FLUSHALL"});
  RunUntil([&] { return Metric("parley_router_rosters_cached") == 0; });  // all is to be read anew
  Chat(juliet, "romeo@home.example", "1");
  Settle();
  bool ok = false;
  session::v1::Record record;
  record.set_resource("orchard");
  record.set_presence("<presence from='romeo@home.example/orchard'/>");
  edge().Restore(romeo, record, [&](bool restored) { ok = restored; });
  RunUntil([&] { return ok; });
  const auto received = Received(romeo);
  EXPECT_THAT(received, ::testing::Contains(HasSubstr("id='1'")));
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
}

// It waits for whether Redis comes back; what was known of the account before is nothing then.
TEST_F(SessionStoreTest, WhoAsksWhileRedisIsEmptiedIsPutBack) {
  Configure(1, {"router.redis_patience=1m"});  // however long Redis takes to start
  Client& romeo = Online("romeo@home.example/orchard");
  redis_.Kill();
  RunUntil([&] { return !Missing().empty(); });
  session::v1::Record record;
  record.set_resource("orchard");
  std::optional<bool> restored;
  edge().Restore(romeo, record, [&](bool ok) { restored = ok; });
  redis_.Start();
  RunUntil([&] { return restored.has_value(); });
  EXPECT_TRUE(*restored);
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
}

TEST_F(SessionStoreTest, RestoreIsRefusedIfAnotherHasTheResource) {
  Client& old = Login("romeo@home.example/orchard");
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(young.jid(), "romeo@home.example/orchard");
  bool answered = false;
  bool ok = true;
  session::v1::Record record;
  record.set_resource("orchard");
  edge().Restore(old, record, [&](bool restored) {
    ok = restored;
    answered = true;
  });
  RunUntil([&] { return answered; });
  EXPECT_FALSE(ok);
}

// An edge that comes back asks by the routers that it reaches, under the lease that it had and under the one that it
// takes: the first question may come last.
TEST_F(SessionStoreTest, WhatIsPutBackKeepsTheLatestLease) {
  Client& romeo = Login("romeo@home.example/orchard");
  const std::string process = edge().epoch().substr(0, edge().epoch().rfind('.'));
  for (const std::string number : {".2", ".10"}) {
    session::v1::Record record = RecordInRedis();
    record.set_node_epoch(process + number);
    WriteAsAnotherRouter(record);
    EXPECT_TRUE(Restore(romeo));
    EXPECT_EQ(RecordInRedis().node_epoch(), process + number);
  }
}

TEST_F(SessionStoreTest, WhatItsEdgeEndsIsOverUnderWhateverFormerLeaseItIsKnown) {
  Client& romeo = Login("romeo@home.example/orchard");
  session::v1::Record record = RecordInRedis();
  record.set_node_epoch(edge().epoch().substr(0, edge().epoch().rfind('.')) + ".0");
  WriteAsAnotherRouter(record);
  romeo.Close();
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey}) == "0"; });
}

TEST_F(SessionStoreTest, NodesThatWereForgottenAreListedOnceMore) {
  Configure(1, {"router.remember_nodes=1"});
  Start();
  Edge& other = AddEdge("c2s-2");
  const std::string limit = "parley_router_limits_total{limit=\"remember_nodes\"}";
  Login("romeo@home.example/orchard");
  Login("romeo@home.example/garden");
  EXPECT_EQ(Metric(limit), 0);
  Login(other, "juliet@home.example/balcony");
  EXPECT_EQ(Metric(limit), 1);
  Redis({"DEL", "parley:n"});
  Login("romeo@home.example/street");
  EXPECT_EQ(Metric(limit), 2);
  EXPECT_EQ(Redis({"SMEMBERS", "parley:n"}), "c2s-1/" + edge().epoch());
}

// Who looks at the line of the one that was there before, and takes it away or writes it, must not take this one for
// it.
TEST_F(SessionStoreTest, WhatIsPutBackIsAnotherThanWhatWasThere) {
  Client& romeo = Login("romeo@home.example/orchard");
  const auto line = [&] {
    const std::string value = Redis({"HGET", kRomeoKey, "orchard"});
    return value.substr(0, value.find('\n'));
  };
  std::set<std::string> lines{line()};
  for (std::size_t i = 0; i < 3; ++i) {
    const double before = Metric("parley_router_accounts_invalidated_total");
    Redis({"DEL", kRomeoKey});
    RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });  // it is refused until then
    ASSERT_TRUE(Restore(romeo));
    lines.insert(line());
  }
  EXPECT_THAT(lines, SizeIs(4));
  EXPECT_THAT(lines, ::testing::Each(::testing::StartsWith(romeo.id() + " ")));
}

// Its home has begun to tell its contacts that it is gone; another router, which does not know that, puts it back.
TEST_F(SessionStoreTest, PutBackByAnotherRouterWhileItsEndIsToldItStaysAndIsSeen) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& benvolio = Online("benvolio@home.example/street");
  Edge& slow = AddEdge("c2s-2");
  Client& juliet = Online(slow, "juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  slow.ForgetReceived();
  slow.SetHolding(true);
  edge().Lose(romeo);
  Chat(benvolio, "romeo@home.example/orchard", "1");
  RunUntil([&] { return !juliet.received().empty(); });
  edge().Regain(romeo);
  WriteAsAnotherRouter(RecordInRedis());
  Chat(benvolio, "romeo@home.example", "2");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  slow.SetHolding(false);
  RunUntil([&] { return juliet.received().size() == 2; });
  EXPECT_THAT(juliet.received(), ElementsAre(HasSubstr("type='unavailable'"), HasSubstr("<presence")));
  Chat(benvolio, "romeo@home.example/orchard", "3");
  EXPECT_THAT(Received(romeo), ::testing::Contains(HasSubstr("id='3'")));
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
}

TEST_F(SessionStoreTest, WhatItsEdgeHasEndedGoesWhoeverWroteItMeanwhile) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Client& juliet = Online(slow, "juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  slow.ForgetReceived();
  slow.SetHolding(true);
  romeo.Close();
  RunUntil([&] { return !juliet.received().empty(); });
  WriteAsAnotherRouter(RecordInRedis());
  slow.SetHolding(false);
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey}) == "0"; });
  Settle();
  EXPECT_THAT(juliet.received(), SizeIs(1));
}

}  // namespace
}  // namespace parley::router

// Sessions end: by their edge's word, with it, or found to be over.
#include "services/router/testing/sessions.h"

namespace parley::router {
namespace {

using testing::Attr;
using testing::Client;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kRomeoKey;
using testing::SessionsTest;
using ::testing::SizeIs;
using xmpp::Subscription;

TEST_F(SessionsTest, NothingIsLeftOfASessionInRedis) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Close();
  Settle();
  const std::string index = "parley:n:c2s-1/" + edge().epoch();
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey, index}) == "0"; });
}

// Its edge was told that it is not bound.
TEST_F(SessionsTest, NothingIsLeftOfASessionThatRedisBoundWithoutAWord) {
  Configure(1, {"redis.command_timeout=200ms"});  // shorter than the edge's lease
  Online("romeo@home.example/orchard");
  const std::string index = "parley:n:c2s-1/" + edge().epoch();
  redis_.Pause();
  Client& ghost = edge().Bind("romeo@home.example", "garden");
  RunUntil([&] { return edge().answered(ghost); });
  EXPECT_EQ(ghost.bound().condition(), "resource-constraint");
  ghost.Close();
  RunUntil([&] { return edge().undeliverable().size() == 1; });  // not yet
  auto again = std::make_unique<rpc::Envelope>(edge().last());
  redis_.Resume();
  RunUntil([&] { return Missing().empty(); });
  edge().SendAgain(std::move(again));
  RunUntil([&] { return Redis({"HKEYS", kRomeoKey}) == "orchard"; });
  RunUntil([&] { return Redis({"SCARD", index}) == "1"; });
  Client& next = edge().Bind("romeo@home.example", "garden", session::v1::CONFLICT_REFUSE_NEW);
  RunUntil([&] { return edge().answered(next); });
  EXPECT_EQ(next.jid(), "romeo@home.example/garden");
}

TEST_F(SessionsTest, AGhostIsEndedAndTheMessageHandledAsForAnAbsentResource) {
  roster_->Befriend("romeo@home.example", "benvolio@home.example", Subscription::kBoth);
  Client& benvolio = Online("benvolio@home.example/street");
  Client& ghost = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  benvolio.Take();
  edge().Lose(ghost);
  Chat(juliet, "romeo@home.example", "1");
  Chat(juliet, "romeo@home.example", "2");
  EXPECT_THAT(Received(benvolio), ElementsAre(HasSubstr("type='unavailable'")));
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 2);
  EXPECT_EQ(Redis({"EXISTS", kRomeoKey}), "0");
  Client& back = Login("romeo@home.example/orchard");
  back.Send("<presence/>");
  const auto received = Received(back);
  std::vector<std::string> ids;
  for (const auto& stanza : received) {
    if (stanza.starts_with("<message")) ids.push_back(Attr(stanza, "id"));
  }
  EXPECT_THAT(ids, ElementsAre("1", "2"));
}

TEST_F(SessionsTest, ADeadEdgeIsReaped) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& dying = AddEdge("c2s-2");
  Client& juliet = Online("juliet@home.example/balcony");
  Online(dying, "romeo@home.example/orchard");
  Online(dying, "romeo@home.example/street");
  const std::string index = "parley:n:c2s-2/" + dying.epoch();
  juliet.Take();
  KillEdge(dying);
  Chat(juliet, "romeo@home.example", "1");  // waits for the edge to come back
  RunUntil([&] { return juliet.received().size() == 2; });
  EXPECT_THAT(juliet.received(), ::testing::Each(HasSubstr("type='unavailable'")));
  RunUntil([&] {
    return Redis({"EXISTS", kRomeoKey, index}) == "0" && Redis({"SISMEMBER", "parley:n", index.substr(9)}) == "0";
  });
  Settle();
  EXPECT_THAT(juliet.received(), SizeIs(2));  // once each
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

// It may have nobody any more to whom to send their ends.
TEST_F(SessionsTest, ARouterThatStopsLeavesDeadEdgesToTheNext) {
  Start();
  Edge& dying = AddEdge("c2s-2");
  Client& juliet = Online("juliet@home.example/balcony");
  Online(dying, "romeo@home.example/orchard");
  Online(dying, "tybalt@home.example/street");
  const std::string index = "parley:n:c2s-2/" + dying.epoch();
  KillEdge(dying);
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return Metric("parley_router_parked") == 1; });
  bool done = false;
  DrainRouter(0, [&] { done = true; });
  RunUntil([&] { return done; });  // not before the edge is known to be dead, as the message waits for it
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  EXPECT_EQ(Redis({"EXISTS", index}), "1");
}

TEST_F(SessionsTest, DeadSessionsOfBeforeAreFoundByARouterThatStarts) {
  Start();
  Edge& dying = AddEdge("c2s-2");
  Online(dying, "romeo@home.example/orchard");
  KillRouter(0);
  KillEdge(dying);
  StartRouter(0);
  RunUntil([&] { return edge().ready(); });
  Client& juliet = Online("juliet@home.example/balcony");
  // It is noticed when somebody looks.
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey}) == "0"; });
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

// Its router dies when it has told the contacts and cannot know that yet: who ends it then tells them again.
TEST_F(SessionsTest, ContactsSeeOnceThatItIsGoneThoughItsRouterDied) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Client& juliet = Online(slow, "juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  Settle();
  juliet.Take();
  slow.SetHolding(true);
  romeo.Close();
  RunUntil([&] { return !juliet.received().empty(); });
  KillRouter(0);
  slow.SetHolding(false);
  StartRouter(0);
  RunUntil([&] { return edge().ready() && slow.ready() && Redis({"EXISTS", kRomeoKey}) == "0"; });
  Settle();
  EXPECT_THAT(juliet.Take(), SizeIs(1));
  EXPECT_EQ(slow.repeats(), 1);
}

}  // namespace
}  // namespace parley::router

// Sessions are bound, and reached though routers and edges go and come.
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

TEST_F(SessionsTest, TheServerChoosesAResource) {
  Start();
  Client& romeo = Bind(edge(), "", session::v1::CONFLICT_UNSPECIFIED);
  EXPECT_GT(romeo.jid().size(), std::string("romeo@home.example/").size() + 8);
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
}

TEST_F(SessionsTest, ReplaceOldEndsTheOther) {  // RFC 6120 7.7.2.2
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  juliet.Take();
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(young.jid(), "romeo@home.example/orchard");
  RunUntil([&] { return old.disconnected() == "conflict"; });
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("type='unavailable'")));
  old.Close("conflict");  // late, and about a session that is over
  Settle();
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
  young.Send("<presence/>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
}

TEST_F(SessionsTest, RefuseNewKeepsTheOther) {
  Client& old = Login("romeo@home.example/orchard");
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_REFUSE_NEW);
  EXPECT_EQ(young.bound().condition(), "conflict");
  EXPECT_EQ(old.disconnected(), "");
}

TEST_F(SessionsTest, NewResourceMakesAnother) {
  Login("romeo@home.example/orchard");
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_NEW_RESOURCE);
  EXPECT_THAT(young.jid(), HasSubstr("romeo@home.example/"));
  EXPECT_NE(young.jid(), "romeo@home.example/orchard");
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "2");
}

TEST_F(SessionsTest, ResourcesAreLimited) {
  Configure(1, {"router.max_resources_per_account=2"});
  Login("romeo@home.example/a");
  Login("romeo@home.example/b");
  EXPECT_EQ(Bind(edge(), "c", session::v1::CONFLICT_REPLACE_OLD).bound().condition(), "resource-constraint");
  EXPECT_EQ(Bind(edge(), "b", session::v1::CONFLICT_REPLACE_OLD).jid(), "romeo@home.example/b");
}

TEST_F(SessionsTest, ABindWaitsForTheEndOfTheResourcesLastSession) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Online(slow, "juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  Client& other = Online("romeo@home.example/street");
  // Its record stays until juliet was told.
  slow.SetHolding(true);
  old.Close();
  RunUntil([&] { return Metric("parley_router_sessions_ended_total") == 1; });
  Client& young = edge().Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REFUSE_NEW);
  RunUntil([&] { return Metric("parley_router_bind_retries_total") >= 3; });
  // The account's other session does not wait meanwhile.
  Chat(other, "romeo@home.example/street", "1");
  RunUntil([&] { return !other.received().empty(); });
  EXPECT_FALSE(edge().answered(young));
  slow.SetHolding(false);
  RunUntil([&] { return edge().answered(young); });
  EXPECT_EQ(young.jid(), "romeo@home.example/orchard") << young.bound().condition();
}

TEST_F(SessionsTest, ABindThatWaitedTooLongIsToldToTryLater) {
  Configure(1, {"router.bind_timeout=50ms"});
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Online(slow, "juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  slow.SetHolding(true);
  old.Close();
  RunUntil([&] { return Metric("parley_router_sessions_ended_total") == 1; });
  EXPECT_EQ(Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD).bound().condition(), "resource-constraint");
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"bind_timeout\"}"), 1);
  slow.SetHolding(false);
}

TEST_F(SessionsTest, StanzasOfADeadRouterAreHandledByTheNext) {
  Configure(2);
  Start();
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  for (int i = 0; i < 100; ++i) Chat(romeo, "juliet@home.example", std::to_string(i));
  KillRouter(0);
  for (int i = 100; i < 200; ++i) Chat(romeo, "juliet@home.example", std::to_string(i));
  const auto received = Received(juliet);
  ASSERT_THAT(received, SizeIs(200));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Attr(received[static_cast<std::size_t>(i)], "id"), std::to_string(i));
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 0);
}

TEST_F(SessionsTest, HomesOnDifferentRoutersTalk) {
  Configure(3);
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  roster_->Befriend("romeo@home.example", "benvolio@home.example", Subscription::kBoth);
  Start();
  Client& juliet = Online("juliet@home.example/balcony");
  Client& benvolio = Online("benvolio@home.example/street");
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(romeo), SizeIs(3));
  EXPECT_THAT(juliet.Take(), SizeIs(1));
  EXPECT_THAT(benvolio.Take(), SizeIs(1));
  juliet.Send("<iq to='benvolio@home.example' type='get' id='1'><x xmlns='urn:x'/></iq>");
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("service-unavailable")));
}

TEST_F(SessionsTest, AnEdgeThatComesBackGetsWhatWaited) {
  Client& juliet = Online("juliet@home.example/balcony");
  Edge& away = AddEdge("c2s-2");
  Client& romeo = Online(away, "romeo@home.example/orchard");
  away.Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(juliet, "romeo@home.example", "1");
  Chat(juliet, "romeo@home.example", "2");
  away.Reconnect();
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_EQ(Attr(received[0], "id"), "1");
  EXPECT_EQ(Attr(received[1], "id"), "2");
}

TEST_F(SessionsTest, ALiveEdgeThatTakesNothingTimesOut) {
  Configure(1, {"router.edge_timeout=300ms"});
  Client& juliet = Online("juliet@home.example/balcony");
  Edge& away = AddEdge("c2s-2");
  Online(away, "romeo@home.example/orchard");
  away.Disconnect();
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("remote-server-timeout")));
}

}  // namespace
}  // namespace parley::router

#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::XmlEq;
using xmpp::Subscription;

constexpr char kRomeo[] = "romeo@home.example";
constexpr char kJuliet[] = "juliet@home.example";

class SubscriptionsTest : public testing::ClusterTest {
 protected:
  static void Send(Client& client, const char* type, const std::string& to) {
    client.Send("<presence to='" + to + "' type='" + type + "'/>");
  }
  // Its request may be stored, and there is no roster service to tell.
  void BeginDoubt(Client& client) {
    roster_->TakeAsked();
    roster_->DoubtNext(1);
    Send(client, "subscribe", kJuliet);
    RunUntil([&] { return !roster_->TakeAsked().empty(); });
    roster_->SetBroken(true);
  }
};

TEST_F(SubscriptionsTest, RequestApprovalAndPresence) {  // RFC 6121 3.1
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  Send(romeo, "subscribe", "juliet@home.example/whatever");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("ask='subscribe'"), HasSubstr("subscription='none'"))));
  EXPECT_THAT(juliet.Take(),
              ElementsAre(XmlEq("<presence type='subscribe' from='romeo@home.example' to='juliet@home.example'/>")));
  Send(juliet, "subscribed", kRomeo);
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("subscription='from'")));
  const auto received = romeo.Take();
  ASSERT_THAT(received, SizeIs(3));
  EXPECT_THAT(received[0], XmlEq("<presence type='subscribed' from='juliet@home.example' to='romeo@home.example'/>"));
  EXPECT_THAT(received[1], HasSubstr("subscription='to'"));
  EXPECT_EQ(Attr(received[2], "from"), "juliet@home.example/balcony");
}

TEST_F(SubscriptionsTest, ARequestWaitsForEachLoginUntilItIsAnswered) {  // 3.1.3
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example' type='subscribe'><status>please</status></presence>");
  Settle();
  romeo.Take();
  for (int i = 0; i < 2; ++i) {
    Client& juliet = Login("juliet@home.example/balcony");
    juliet.Send("<presence/>");
    const auto received = Received(juliet);
    ASSERT_THAT(received, SizeIs(2));
    EXPECT_THAT(received[1], AllOf(HasSubstr("type='subscribe'"), HasSubstr("please")));
    juliet.Close();
    Settle();
  }
  Client& juliet = Login("juliet@home.example/balcony");
  Send(juliet, "unsubscribed", kRomeo);
  juliet.Send("<presence/>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  EXPECT_THAT(romeo.Take(), ElementsAre(HasSubstr("type='unsubscribed'"), HasSubstr("subscription='none'")));
}

TEST_F(SubscriptionsTest, UnsubscribeEndsPresence) {  // 3.3
  roster_->Befriend(kRomeo, kJuliet, Subscription::kTo);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  Send(romeo, "unsubscribe", kJuliet);
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_THAT(received[0], HasSubstr("subscription='none'"));
  EXPECT_THAT(received[1], AllOf(HasSubstr("type='unavailable'"), HasSubstr("juliet@home.example/balcony")));
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("type='unsubscribe'"), HasSubstr("subscription='none'")));
}

TEST_F(SubscriptionsTest, CancellingEndsPresence) {  // 3.2
  roster_->Befriend(kRomeo, kJuliet, Subscription::kBoth);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  Send(juliet, "unsubscribed", kRomeo);
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("subscription='to'")));
  EXPECT_THAT(romeo.Take(), ElementsAre(HasSubstr("type='unavailable'"), HasSubstr("type='unsubscribed'"),
                                        HasSubstr("subscription='from'")));
}

// Its edge had that already, and the router does not know. Once more it would come behind what is newer.
TEST_F(SubscriptionsTest, WhatTheServerSaysByItselfIsKnownWhenItComesAgain) {
  roster_->Befriend(kRomeo, kJuliet, Subscription::kTo);
  Client& juliet = Online("juliet@home.example/balcony");
  testing::Edge& his = AddEdge("c2s-2");
  Client& romeo = Online(his, "romeo@home.example/orchard");
  romeo.Take();
  his.SetHolding(true);
  Send(juliet, "unsubscribed", kRomeo);
  RunUntil([&] { return romeo.received().size() == 3; });
  EXPECT_THAT(romeo.Take(), ElementsAre(HasSubstr("type='unavailable'"), HasSubstr("type='unsubscribed'"),
                                        HasSubstr("subscription='none'")));
  his.Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  his.SetHolding(false);
  his.Reconnect();
  juliet.Send("<message to='romeo@home.example/orchard'><body>last</body></message>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("last")));
}

TEST_F(SubscriptionsTest, PreApprovalAnswersByItself) {  // 3.4
  Client& juliet = Online("juliet@home.example/balcony");
  Send(juliet, "subscribed", kRomeo);
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("approved='true'")));
  Client& romeo = Online("romeo@home.example/orchard");
  Send(romeo, "subscribe", kJuliet);
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(4));
  EXPECT_THAT(received[1], HasSubstr("type='subscribed'"));
  EXPECT_THAT(received[2], HasSubstr("subscription='to'"));
  EXPECT_EQ(Attr(received[3], "from"), "juliet@home.example/balcony");
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("subscription='from'")));
  EXPECT_THAT(roster_->TakeInbound(kRomeo), ElementsAre(Pair(romeo.id() + "/TYPE_SUBSCRIBED", romeo.sent())));
}

TEST_F(SubscriptionsTest, AnotherRequestOfASubscriberIsAnsweredByTheServer) {  // 3.1.3
  roster_->Befriend(kRomeo, kJuliet, Subscription::kNone);
  roster_->Befriend(kJuliet, kRomeo, Subscription::kFrom);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  Send(romeo, "subscribe", kJuliet);
  Settle();
  EXPECT_THAT(juliet.Take(), IsEmpty());
}

TEST_F(SubscriptionsTest, ToNobodyIsSilent) {  // 8.5.1
  Client& romeo = Online("romeo@home.example/orchard");
  Send(romeo, "subscribe", "nobody@home.example");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("ask='subscribe'")));
}

TEST_F(SubscriptionsTest, ToOneselfOrTheServerIsNotAllowed) {
  Client& romeo = Online("romeo@home.example/orchard");
  Send(romeo, "subscribe", kRomeo);
  Send(romeo, "subscribe", "home.example");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("not-allowed"), HasSubstr("not-allowed")));
}

TEST_F(SubscriptionsTest, ToAnUnknownDomainComesBack) {
  Client& romeo = Online("romeo@home.example/orchard");
  Send(romeo, "subscribe", "a@elsewhere.net");
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_THAT(received[0], HasSubstr("remote-server-not-found"));
  EXPECT_THAT(received[1], HasSubstr("ask='subscribe'"));
}

TEST_F(SubscriptionsTest, WithoutTheRosterServiceTheClientIsTold) {
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  Send(romeo, "subscribe", kJuliet);
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='error'"), HasSubstr("type='wait'"))));
}

// Nobody can have done it.
TEST_F(SubscriptionsTest, WhatNoRosterServiceGotIsNotInDoubt) {
  Configure(1, {"router.roster_timeout=300ms", "router.roster_doubt_timeout=10m"});
  Client& romeo = Online("romeo@home.example/orchard");
  roster_.reset();
  RunUntil([&] { return !Missing().empty(); });
  Send(romeo, "subscribe", kJuliet);
  RunUntil([&] { return !romeo.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='error'"), HasSubstr("type='wait'"))));
}

TEST_F(SubscriptionsTest, WhatTheRosterServiceIsInDoubtOfIsAskedAgain) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  roster_->DoubtNext(1);
  Send(romeo, "subscribe", kJuliet);
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("ask='subscribe'")));
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("type='subscribe'")));
}

TEST_F(SubscriptionsTest, WhatTheRosterServiceTookAndDidNotAnswerIsAskedAgain) {
  Configure(1, {"router.roster_timeout=500ms"});
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  roster_->SetHolding(true);
  Send(romeo, "subscribe", kJuliet);
  RunUntil([&] { return roster_->held() == 2; });
  roster_->DoubtNext(1);  // the second is the same
  roster_->SetHolding(false);
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("ask='subscribe'")));
}

TEST_F(SubscriptionsTest, DoubtEndsSomeTime) {
  Configure(1, {"router.roster_doubt_timeout=1s"});
  Client& romeo = Online("romeo@home.example/orchard");
  BeginDoubt(romeo);
  RunUntil([&] { return !romeo.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='error'"), HasSubstr("type='wait'"))));
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"roster_doubt_timeout\"}"), 1);
  // What the router has of the roster may be wrong by now.
  roster_->SetBroken(false);
  romeo.Send("<presence><show>away</show></presence>");
  Settle();
  EXPECT_THAT(roster_->TakeAsked(), Contains("get_roster"));
}

TEST_F(SubscriptionsTest, WhoLogsInDoesNotWaitForADoubt) {
  Client& romeo = Online("romeo@home.example/orchard");
  BeginDoubt(romeo);
  Client& garden = Login("romeo@home.example/garden");
  edge().Enable(garden, 60000);
  RunUntil([&] { return edge().answered(garden); });
  EXPECT_EQ(garden.jid(), "romeo@home.example/garden");
  EXPECT_NE(garden.queue(), "");
  EXPECT_THAT(romeo.Take(), IsEmpty());
  roster_->SetBroken(false);
  RunUntil([&] { return !romeo.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("ask='subscribe'")));
}

// What its last session has sent waits yet.
TEST_F(SubscriptionsTest, WhoTakesTheResourceOfAnotherWaitsForADoubt) {
  Client& romeo = Online("romeo@home.example/orchard");
  BeginDoubt(romeo);
  Client& again = edge().Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REPLACE_OLD);
  Login("romeo@home.example/garden");  // behind it
  EXPECT_FALSE(edge().answered(again));
  roster_->SetBroken(false);
  RunUntil([&] { return edge().answered(again); });
  EXPECT_EQ(again.jid(), "romeo@home.example/orchard");
}

// The user's roster says that it has asked: there is nobody to tell that the contact's could not be reached.
TEST_F(SubscriptionsTest, TheContactsHalfWaitsForTheStore) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  Settle();
  roster_->TakeAsked();
  roster_->BreakAfter(1);
  Send(romeo, "subscribe", kJuliet);
  std::size_t asked = 0;
  RunUntil([&] { return (asked += roster_->TakeAsked().size()) >= 3; });
  roster_->SetBroken(false);
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("ask='subscribe'")));
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("type='subscribe'")));
}

TEST_F(SubscriptionsTest, OnlyInterestedResourcesGetPushes) {
  Client& orchard = Online("romeo@home.example/orchard");
  Client& silent = Login("romeo@home.example/silent");
  Send(orchard, "subscribe", kJuliet);
  EXPECT_THAT(Received(orchard), SizeIs(1));
  EXPECT_THAT(silent.Take(), IsEmpty());
}

}  // namespace
}  // namespace parley::router

#include "services/router/presence.h"

#include <algorithm>

#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing::XmlEq;
using xmpp::Subscription;

class PresenceTest : public testing::ClusterTest {
 protected:
  void Befriend(Subscription subscription) {
    roster_->Befriend("romeo@home.example", "juliet@home.example", subscription);
  }
};

TEST(PriorityTest, IsAByte) {
  EXPECT_EQ(PriorityOf("<presence/>"), 0);
  EXPECT_EQ(PriorityOf("<presence><priority>5</priority></presence>"), 5);
  EXPECT_EQ(PriorityOf("<presence><priority> -128\n</priority></presence>"), -128);
  EXPECT_EQ(PriorityOf("<presence><priority>+7</priority></presence>"), 7);
  EXPECT_EQ(PriorityOf("<presence><status>no priority</status></presence>"), 0);
  EXPECT_EQ(PriorityOf("<presence><priority>128</priority></presence>"), std::nullopt);
  EXPECT_EQ(PriorityOf("<presence><priority>high</priority></presence>"), std::nullopt);
  EXPECT_EQ(PriorityOf("<presence><priority/></presence>"), std::nullopt);
}

TEST_F(PresenceTest, InitialPresenceGoesToContactsAndBringsTheirs) {  // RFC 6121 4.2.2, 4.3.2
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence><show>away</show></presence>");
  EXPECT_THAT(Received(juliet), ElementsAre(XmlEq("<presence from='romeo@home.example/orchard' "
                                                  "to='juliet@home.example'><show>away</show></presence>")));
  const auto received = romeo.Take();
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_EQ(Attr(received[0], "from"), "romeo@home.example/orchard");  // its own
  EXPECT_EQ(Attr(received[1], "from"), "juliet@home.example/balcony");
  EXPECT_EQ(Attr(received[1], "to"), "romeo@home.example/orchard");
}

struct Seen {
  Subscription subscription;  // romeo's to juliet
  bool juliet_sees;
  bool romeo_sees;
};

TEST_F(PresenceTest, OnlySubscriptionsLetThrough) {
  for (const Seen& seen : {Seen{Subscription::kNone, false, false}, Seen{Subscription::kTo, false, true},
                           Seen{Subscription::kFrom, true, false}, Seen{Subscription::kBoth, true, true}}) {
    SCOPED_TRACE(static_cast<int>(seen.subscription));
    Befriend(seen.subscription);
    Client& juliet = Online("juliet@home.example/balcony");
    Client& romeo = Login("romeo@home.example/orchard");
    romeo.Send("<presence/>");
    EXPECT_THAT(Received(juliet), SizeIs(seen.juliet_sees ? 1 : 0));
    EXPECT_THAT(romeo.Take(), SizeIs(seen.romeo_sees ? 2 : 1));
    romeo.Close();
    EXPECT_THAT(Received(juliet), SizeIs(seen.juliet_sees ? 1 : 0));
    juliet.Close();
    Settle();
    std::string romeo_key = "parley:s:{romeo@home.example}";
    std::string juliet_key = "parley:s:{juliet@home.example}";
    Redis({"HSET", romeo_key, "x", "y"});  // the rosters changed behind the routers' back
    Redis({"HDEL", romeo_key, "x"});
    Redis({"HSET", juliet_key, "x", "y"});
    Redis({"HDEL", juliet_key, "x"});
    RunUntil([&] { return Metric("parley_router_rosters_cached") == 0; });
  }
}

TEST_F(PresenceTest, AContactThatIsAwayAnswersUnavailable) {
  Befriend(Subscription::kBoth);
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_THAT(received[1], XmlEq("<presence type='unavailable' from='juliet@home.example' "
                                 "to='romeo@home.example/orchard'/>"));
}

TEST_F(PresenceTest, UpdatesGoWithoutProbes) {  // 4.4.2
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence><show>dnd</show></presence>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("dnd")));
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("dnd")));
}

TEST_F(PresenceTest, OwnResourcesSeeEachOther) {  // 4.2.2
  Client& orchard = Online("romeo@home.example/orchard");
  Client& street = Login("romeo@home.example/street");
  street.Send("<presence/>");
  EXPECT_THAT(Received(orchard), ElementsAre(AllOf(HasSubstr("romeo@home.example/street"))));
  const auto received = street.Take();
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_EQ(Attr(received[0], "from"), "romeo@home.example/street");
  EXPECT_EQ(Attr(received[1], "from"), "romeo@home.example/orchard");
}

// As after the death of a router that had told everybody.
TEST_F(PresenceTest, ARepeatShowsNobodyAnythingTwice) {
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& chamber = Online("juliet@home.example/chamber");
  Client& street = Online("romeo@home.example/street");
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(romeo), SizeIs(4));
  for (Client* other : {&juliet, &chamber, &street}) other->Take();
  edge().SendAgain(std::make_unique<rpc::Envelope>(edge().last()));
  EXPECT_THAT(Received(romeo), IsEmpty());
  for (Client* other : {&juliet, &chamber, &street}) EXPECT_THAT(other->Take(), IsEmpty());
  EXPECT_EQ(edge().repeats(), 7);
}

TEST_F(PresenceTest, UnavailableOnceWhetherSaidOrLeft) {  // 4.5.2
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& polite = Online("romeo@home.example/polite");
  Client& abrupt = Online("romeo@home.example/abrupt");
  juliet.Take();
  polite.Send("<presence type='unavailable'><status>bye</status></presence>");
  polite.Close();
  EXPECT_THAT(Received(juliet), ElementsAre(AllOf(HasSubstr("/polite"), HasSubstr("bye"))));
  abrupt.Close("lost");
  EXPECT_THAT(Received(juliet), ElementsAre(XmlEq("<presence type='unavailable' from='romeo@home.example/abrupt' "
                                                  "to='juliet@home.example'/>")));
}

TEST_F(PresenceTest, NegativePriorityIsAvailableAllTheSame) {
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony", -5);
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
}

TEST_F(PresenceTest, APriorityThatIsNoneIsRefused) {
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence id='p'><priority>1000</priority></presence>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='error'"), HasSubstr("bad-request"))));
}

TEST_F(PresenceTest, DirectedPresenceEndsWithTheSession) {  // 4.6.3
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example/balcony'/>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  romeo.Close("lost");
  EXPECT_THAT(Received(juliet), ElementsAre(XmlEq("<presence type='unavailable' from='romeo@home.example/orchard' "
                                                  "to='juliet@home.example/balcony'/>")));
}

// Sent again behind its end: nobody would say that it is gone.
TEST_F(PresenceTest, DirectedPresenceOfASessionThatIsOverGoesNowhere) {
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Close();
  romeo.Send("<presence to='juliet@home.example/balcony'/>");
  EXPECT_THAT(Received(juliet), IsEmpty());
}

TEST_F(PresenceTest, DirectedPresenceThatWasTakenBackIsNotTakenBackAgain) {
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example'/>");
  romeo.Send("<presence to='juliet@home.example' type='unavailable'/>");
  EXPECT_THAT(Received(juliet), SizeIs(2));
  romeo.Send("<presence type='unavailable'/>");
  romeo.Close();
  EXPECT_THAT(Received(juliet), IsEmpty());
}

TEST_F(PresenceTest, DirectedPresenceToASubscriberIsNotEndedTwice) {
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example/balcony'><show>chat</show></presence>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  romeo.Close();
  EXPECT_THAT(Received(juliet), SizeIs(1));
}

TEST_F(PresenceTest, DirectedPresenceIsLimited) {
  Configure(1, {"router.max_directed=2"});
  Client& romeo = Online("romeo@home.example/orchard");
  for (int i = 0; i < 3; ++i) romeo.Send("<presence to='juliet@home.example/" + std::to_string(i) + "'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("/2"), HasSubstr("resource-constraint"))));
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"max_directed\"}"), 1);
}

TEST_F(PresenceTest, DirectedPresenceToLongAddressesIsLimitedSooner) {
  Configure(1, {"router.max_directed=40"});  // as many as 40 of a usual length, in bytes
  Client& romeo = Online("romeo@home.example/orchard");
  const std::string to = "juliet@home.example/" + std::string(1000, 'x');
  for (int i = 0; i < 3; ++i) romeo.Send("<presence to='" + to + std::to_string(i) + "'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("x2'"), HasSubstr("resource-constraint"))));
}

TEST_F(PresenceTest, AProbeOfAStrangerIsRefused) {  // 4.3.2
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example' type='probe'/>");
  EXPECT_THAT(Received(romeo), IsEmpty());  // unsubscribed, which changes nothing and is not shown
  EXPECT_THAT(juliet.Take(), IsEmpty());
}

// 4.3.2: the contact knows of no subscription, whatever the user's roster says.
TEST_F(PresenceTest, AProbeOfWhoIsNotSubscribedAnyMoreEndsTheSubscription) {
  Befriend(Subscription::kTo);
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->RemoveAccount("juliet@home.example");
  romeo.Send("<presence to='juliet@home.example' type='probe'/>");
  const auto refusal = AllOf(HasSubstr("from='juliet@home.example'"), HasSubstr("type='unsubscribed'"));
  EXPECT_THAT(Received(romeo), ::testing::Contains(refusal));
  EXPECT_EQ(roster_->StateOf("romeo@home.example", "juliet@home.example").subscription, Subscription::kNone);
}

TEST_F(PresenceTest, AServersOwnProbeIsJudgedByTheRosterAtHand) {
  Befriend(Subscription::kTo);
  roster_->RemoveAccount("juliet@home.example");
  roster_->AddAccount("juliet@home.example");
  Client& stranger = Online("benvolio@home.example/street");
  stranger.Send("<presence to='juliet@home.example' type='probe'/>");
  Settle();  // her roster has been read
  Online("romeo@home.example/orchard");
  Settle();
  EXPECT_EQ(roster_->StateOf("romeo@home.example", "juliet@home.example").subscription, Subscription::kNone);
}

// 4.3.2: nobody is there, and no router has read her roster.
TEST_F(PresenceTest, AServersOwnProbeOfAnAbsentContactEndsWhatThatOneDoesNotKnowOf) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kTo);
  roster_->Befriend("benvolio@home.example", "juliet@home.example", Subscription::kBoth);
  roster_->RemoveAccount("juliet@home.example");
  roster_->AddAccount("juliet@home.example");
  Online("romeo@home.example/orchard");
  Online("benvolio@home.example/street");
  Settle();
  EXPECT_EQ(roster_->StateOf("romeo@home.example", "juliet@home.example").subscription, Subscription::kNone);
  EXPECT_EQ(roster_->StateOf("benvolio@home.example", "juliet@home.example").subscription, Subscription::kFrom);
}

TEST_F(PresenceTest, AServersOwnProbeReadsNoRosterOfWhoIsAway) {
  for (const char* contact : {"juliet@home.example", "benvolio@home.example"}) {
    roster_->Befriend("romeo@home.example", contact, Subscription::kBoth);
  }
  Client& romeo = Login("romeo@home.example/orchard");
  roster_->TakeAsked();
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(romeo), SizeIs(3));  // its own, and two that are away
  const auto asked = roster_->TakeAsked();
  EXPECT_EQ(std::count(asked.begin(), asked.end(), "get_roster"), 1) << "romeo's";
}

TEST_F(PresenceTest, PresenceForAnAbsentResourceIsDropped) {  // 8.5.3.2.2
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<presence to='juliet@home.example/balcony'/>");
  romeo.Send("<presence to='nobody@home.example'/>");
  EXPECT_THAT(Received(romeo), IsEmpty());
}

TEST_F(PresenceTest, WithoutTheRosterServiceContactsHearOfItLater) {
  Befriend(Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  roster_->SetBroken(true);
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  RunUntil([&] { return !romeo.received().empty(); });  // its own
  Client& benvolio = Login("benvolio@home.example/street");
  benvolio.Send("<message type='chat' to='romeo@home.example'><body>hi</body></message>");
  RunUntil([&] { return romeo.received().size() == 2; });
  roster_->SetBroken(false);
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("romeo@home.example/orchard")));
}

// Neither to tell its contacts nor for what is stored for it: the account's turn is for what can be done.
TEST_F(PresenceTest, NoTurnIsSpentOnARosterServiceThatIsAway) {
  Configure(1, {"router.roster_timeout=700ms"});
  Client& romeo = Login("romeo@home.example/orchard");
  Client& juliet = Login("juliet@home.example/balcony");
  Client& benvolio = Login("benvolio@home.example/street");
  const std::string address = "127.0.0.1:" + std::to_string(roster_->port());
  roster_.reset();
  RunUntil([&] { return !Missing().empty(); });
  const double failures = Metric("parley_router_roster_failures_total");
  // Once for each: for its contacts, and for what is stored. Meanwhile the others could be tried again.
  for (Client* client : {&romeo, &juliet, &benvolio}) {
    client->Send("<presence/>");
    client->Send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>");
    RunUntil([&] { return !client->received().empty() && Attr(client->received().back(), "id") == "last"; });
  }
  EXPECT_EQ(Metric("parley_router_roster_failures_total"), failures + 6);
  roster_ = std::make_unique<testing::MemoryRoster>(loop_, address);
  Befriend(Subscription::kBoth);
  ASSERT_THAT(romeo.Take(), SizeIs(2));
  RunUntil([&] { return !romeo.received().empty(); });
  EXPECT_THAT(romeo.received(), ElementsAre(HasSubstr("juliet@home.example/balcony")));
}

}  // namespace
}  // namespace parley::router

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
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::XmlEq;

class RosterTest : public testing::ClusterTest {
 protected:
  void Set(Client& client, const std::string& item, const std::string& id = "set") {
    client.Send("<iq type='set' id='" + id + "'><query xmlns='jabber:iq:roster'>" + item + "</query></iq>");
  }
};

TEST_F(RosterTest, GetReturnsTheRoster) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
  EXPECT_THAT(Received(romeo),
              ElementsAre(XmlEq("<iq type='result' id='1' to='romeo@home.example/orchard'>"
                                "<query xmlns='jabber:iq:roster' ver='1'><item jid='juliet@home.example' "
                                "subscription='both'/></query></iq>")));
}

TEST_F(RosterTest, AKnownVersionIsNotSentAgain) {  // RFC 6121 2.6
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Login("romeo@home.example/orchard");
  for (int i = 0; i < 2; ++i) {
    romeo.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver='1'/></iq>");
    EXPECT_THAT(Received(romeo), ElementsAre(XmlEq("<iq type='result' id='1' to='romeo@home.example/orchard'/>")));
  }
  romeo.Send("<iq type='get' id='2'><query xmlns='jabber:iq:roster' ver=''/></iq>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("ver='1'"), HasSubstr("juliet@home.example"))));
}

TEST_F(RosterTest, WhatChangedSinceAKnownVersionIsPushed) {  // 2.6.3
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& orchard = Online("romeo@home.example/orchard");
  Set(orchard, "<item jid='nurse@home.example' name='Nurse'/>");
  Set(orchard, "<item jid='paris@home.example'/>");
  Set(orchard, "<item jid='paris@home.example' subscription='remove'/>");
  Settle();
  orchard.Take();
  Client& street = Login("romeo@home.example/street");
  street.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver='2'/></iq>");
  EXPECT_THAT(Received(street),
              ElementsAre(XmlEq("<iq type='result' id='1' to='romeo@home.example/street'/>"),
                          AllOf(HasSubstr("type='set'"), HasSubstr("jid='paris@home.example'"), HasSubstr("ver='3'")),
                          AllOf(HasSubstr("jid='paris@home.example' subscription='remove'"), HasSubstr("ver='4'"))));
  EXPECT_THAT(orchard.Take(), IsEmpty());
}

// The presence that follows needs the items, though the client does not.
TEST_F(RosterTest, AKnownVersionDoesNotHideContacts) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster' ver='1'/></iq><presence/>");
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("romeo@home.example/orchard")));
}

TEST_F(RosterTest, ASetIsPushedToInterestedResourcesThenAnswered) {
  Client& orchard = Online("romeo@home.example/orchard");
  Client& street = Online("romeo@home.example/street");
  Client& silent = Login("romeo@home.example/silent");
  Set(orchard, "<item jid='juliet@home.example' name='J &amp; co'><group>Friends</group></item>");
  const auto first = Received(orchard);
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_THAT(first[0], AllOf(HasSubstr("type='set'"), HasSubstr("name='J &amp; co'"), HasSubstr("ver='2'"),
                              HasSubstr("<group>Friends</group>"), HasSubstr("subscription='none'")));
  EXPECT_THAT(first[1], XmlEq("<iq type='result' id='set' to='romeo@home.example/orchard'/>"));
  EXPECT_THAT(street.Take(), ElementsAre(HasSubstr("juliet@home.example")));
  EXPECT_THAT(silent.Take(), IsEmpty());
}

struct Wrong {
  const char* what;
  const char* item;
  const char* condition;
};

const Wrong kWrong[] = {
    {"no item", "", "bad-request"},
    {"two items", "<item jid='a@b'/><item jid='c@d'/>", "bad-request"},
    {"no jid", "<item name='x'/>", "bad-request"},
    {"jid malformed", "<item jid='@'/>", "jid-malformed"},
    {"empty group", "<item jid='a@b'><group/></item>", "not-acceptable"},
    {"group twice", "<item jid='a@b'><group>x</group><group>x</group></item>", "bad-request"},
    {"removal of what is not there", "<item jid='a@b' subscription='remove'/>", "item-not-found"},
};

TEST_F(RosterTest, WrongSetsAreRefused) {  // RFC 6121 2.1.5, 2.3.3, 2.5.3
  Client& romeo = Online("romeo@home.example/orchard");
  for (const Wrong& wrong : kWrong) {
    Set(romeo, wrong.item);
    EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='error'"), HasSubstr(wrong.condition))))
        << wrong.what;
  }
  Set(romeo, "<item jid='a@b' name='" + std::string(2000, 'x') + "'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("not-acceptable")));
}

TEST_F(RosterTest, OthersRostersAreForbidden) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<iq type='get' id='1' to='juliet@home.example'><query xmlns='jabber:iq:roster'/></iq>");
  romeo.Send(
      "<iq type='set' id='2' to='juliet@home.example'><query xmlns='jabber:iq:roster'>"
      "<item jid='x@y'/></query></iq>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("forbidden"), HasSubstr("forbidden")));
  romeo.Send("<iq type='get' id='3' to='nobody@home.example'><query xmlns='jabber:iq:roster'/></iq>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("service-unavailable")));  // RFC 6121 8.5.1
}

TEST_F(RosterTest, RemovalEndsBothSubscriptions) {  // RFC 6121 2.5.2
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  Set(romeo, "<item jid='juliet@home.example' subscription='remove'/>");
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(3));
  EXPECT_THAT(received[0], HasSubstr("subscription='remove'"));
  EXPECT_THAT(received[1], XmlEq("<iq type='result' id='set' to='romeo@home.example/orchard'/>"));
  EXPECT_THAT(received[2], HasSubstr("type='unavailable'"));  // juliet's
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("type='unsubscribe'"), HasSubstr("subscription='to'"),
                                         HasSubstr("type='unavailable'"), HasSubstr("type='unsubscribed'"),
                                         HasSubstr("subscription='none'")));
  EXPECT_EQ(roster_->StateOf("juliet@home.example", "romeo@home.example").subscription, xmpp::Subscription::kNone);
}

// The contact's roster knows them if the removal comes again, as when a router has died.
TEST_F(RosterTest, TheCancellationsOfARemovalAreNumbered) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Online("romeo@home.example/orchard");
  Set(romeo, "<item jid='juliet@home.example' subscription='remove'/>");
  Settle();
  EXPECT_THAT(roster_->TakeInbound("juliet@home.example"),
              ElementsAre(Pair(romeo.id() + "/TYPE_UNSUBSCRIBE", romeo.sent()),
                          Pair(romeo.id() + "/TYPE_UNSUBSCRIBED", romeo.sent())));
}

TEST_F(RosterTest, RemovalOfWhoAsksForASubscriptionLeavesTheRequest) {  // RFC 6121 3.1.3: until it is answered
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Send("<presence to='juliet@home.example' type='subscribe'/>");
  Settle();
  Set(juliet, "<item jid='romeo@home.example' name='Romeo'/>");
  Set(juliet, "<item jid='romeo@home.example' subscription='remove'/>");
  Settle();
  Client& again = Login("juliet@home.example/chamber");
  again.Send("<presence/>");
  EXPECT_THAT(Received(again), Contains(HasSubstr("type='subscribe'")));
}

// The roster service knows a repeat: what came after it stands, and is what clients are told.
TEST_F(RosterTest, ARepeatedSetOfWhatIsRemovedSinceIsPushedAsRemoved) {
  Client& romeo = Online("romeo@home.example/orchard");
  roster::v1::ItemChange change;
  change.mutable_item()->set_jid("juliet@home.example");
  change.set_removed(true);
  change.set_version("7");
  roster_->AnswerNextSet(change);
  Set(romeo, "<item jid='juliet@home.example' name='Juliet'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("subscription='remove'"), HasSubstr("ver='7'")),
                                           XmlEq("<iq type='result' id='set' to='romeo@home.example/orchard'/>")));
}

TEST_F(RosterTest, ARepeatedRemovalOfWhatIsBackSincePushesTheItem) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  roster::v1::ItemChange change;
  change.mutable_item()->set_jid("juliet@home.example");
  change.mutable_item()->set_subscription(roster::v1::SUBSCRIPTION_TO);  // what there is no more of
  *change.mutable_back() = change.item();
  change.mutable_back()->set_in_roster(true);
  change.mutable_back()->set_subscription(roster::v1::SUBSCRIPTION_FROM);
  change.mutable_back()->set_name("Juliet");
  change.set_removed(true);
  change.set_version("7");
  roster_->AnswerNextSet(change);
  Set(romeo, "<item jid='juliet@home.example' subscription='remove'/>");
  EXPECT_THAT(Received(romeo), Contains(AllOf(HasSubstr("name='Juliet'"), HasSubstr("subscription='from'"))));
  EXPECT_THAT(juliet.Take(),
              AllOf(Contains(HasSubstr("type='unsubscribe'")), Not(Contains(HasSubstr("type='unsubscribed'")))));
  romeo.Send("<presence><status>here yet</status></presence>");
  EXPECT_THAT(Received(juliet), Contains(HasSubstr("here yet"))) << "it is a contact";
}

TEST_F(RosterTest, WithoutTheRosterServiceTheClientIsToldToWait) {
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  romeo.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='wait'"), HasSubstr("resource-constraint"))));
}

TEST_F(RosterTest, AnAnonymousUserHasAnEmptyRoster) {
  Start();
  Client& guest = edge().Bind("guest@home.example", "", session::v1::CONFLICT_UNSPECIFIED, true);
  RunUntil([&] { return edge().answered(guest); });
  guest.Send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>");
  Set(guest, "<item jid='a@b'/>", "2");
  guest.Send("<presence/>");
  EXPECT_THAT(Received(guest), ElementsAre(AllOf(HasSubstr("type='result'"), Not(HasSubstr("item"))),
                                           HasSubstr("not-allowed"), HasSubstr("<presence")));
}

}  // namespace
}  // namespace parley::router

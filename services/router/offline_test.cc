#include <algorithm>

#include "services/router/testing/cluster.h"
#include "services/router/testing/numbered.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Chat;
using testing::Client;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ids;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Numbers;
using ::testing::SizeIs;

constexpr char kGetRoster[] = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>";

class OfflineTest : public testing::ClusterTest {
 protected:
  // How often routers have looked for stored messages.
  long Looked() {
    const auto asked = roster_->TakeAsked();
    return looked_ += std::count(asked.begin(), asked.end(), "fetch_offline");
  }

 private:
  long looked_ = 0;
};

TEST_F(OfflineTest, MessagesComeInOrderWithTheirTimeAndThenNeverAgain) {
  Configure(1, {"router.offline_batch=10"});
  Client& romeo = Online("romeo@home.example/orchard");
  for (int i = 0; i < 35; ++i) Chat(romeo, i);
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 35);
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send("<presence/>");
  const auto received = Received(juliet);
  EXPECT_EQ(Ids(received), Numbers(0, 35));
  EXPECT_THAT(received[1],
              AllOf(HasSubstr("urn:xmpp:delay"), HasSubstr("from='home.example'"), HasSubstr("stamp='20")));
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 0);
  Client& other = Login("juliet@home.example/other");
  other.Send("<presence/>");
  EXPECT_THAT(Ids(Received(other)), IsEmpty());
}

TEST_F(OfflineTest, WhatComesMeanwhileStaysBehind) {
  Client& romeo = Online("romeo@home.example/orchard");
  for (int i = 0; i < 20; ++i) Chat(romeo, i);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send("<presence/>");
  for (int i = 20; i < 60; ++i) Chat(romeo, i);
  EXPECT_EQ(Ids(Received(juliet)), Numbers(0, 60));
}

// Clients ask for the roster just before they send presence.
TEST_F(OfflineTest, WhoseRosterCameWithNothingStoredIsNotLookedUpAgain) {
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send(kGetRoster);
  Settle();
  roster_->TakeAsked();
  juliet.Send("<presence/>");
  Settle();
  EXPECT_THAT(roster_->TakeAsked(), Not(Contains("fetch_offline")));
}

TEST_F(OfflineTest, WhatIsStoredBetweenRosterAndPresenceComes) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send(kGetRoster);
  Settle();
  Chat(romeo, 1);
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
  juliet.Send("<presence/>");
  EXPECT_THAT(Ids(Received(juliet)), ElementsAre("1"));
}

TEST_F(OfflineTest, WhatWasStoredBeforeTheRosterComes) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send(kGetRoster);
  juliet.Send("<presence/>");
  EXPECT_THAT(Ids(Received(juliet)), ElementsAre("1"));
}

TEST_F(OfflineTest, NegativePriorityGetsNothingYet) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  juliet.Send("<presence><priority>-1</priority></presence>");
  EXPECT_THAT(Ids(Received(juliet)), IsEmpty());
  juliet.Send("<presence><priority>0</priority></presence>");
  EXPECT_THAT(Ids(Received(juliet)), ElementsAre("1"));
}

TEST_F(OfflineTest, WhatTheEdgeDidNotTakeStays) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  edge().SetOverloaded(true);
  juliet.Send("<presence/>");
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
  juliet.Close();
  edge().SetOverloaded(false);
  Client& again = Login("juliet@home.example/again");
  again.Send("<presence/>");
  EXPECT_THAT(Ids(Received(again)), ElementsAre("1"));
}

TEST_F(OfflineTest, DeletedOnlyAfterTheEdgeHasIt) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  testing::Edge& slow = AddEdge("c2s-2");
  Client& juliet = Login(slow, "juliet@home.example/balcony");
  slow.SetHolding(true);
  juliet.Send("<presence/>");
  RunUntil([&] { return !Ids(juliet.received()).empty(); });
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
  slow.SetHolding(false);
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 0);
}

TEST_F(OfflineTest, ChatStatesAloneAreForgotten) {  // XEP-0160 section 3
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send(
      "<message type='chat' to='juliet@home.example'><composing xmlns='http://jabber.org/protocol/chatstates'/>"
      "<thread>t</thread></message>");
  EXPECT_THAT(Received(romeo), IsEmpty());
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 0);
  romeo.Send(
      "<message type='chat' to='juliet@home.example'><active xmlns='http://jabber.org/protocol/chatstates'/>"
      "<body>x</body></message>");
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
}

TEST_F(OfflineTest, AFullQueueIsServiceUnavailable) {
  roster_->SetOfflineQuota(1);
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Chat(romeo, 2);
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("id='2'"), HasSubstr("service-unavailable"))));
}

TEST_F(OfflineTest, WithoutAStoreTheSenderIsToldToWait) {
  Configure(1, {"router.roster_timeout=200ms"});
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  Chat(romeo, 1);
  EXPECT_THAT(Received(romeo), ElementsAre(AllOf(HasSubstr("type='wait'"), HasSubstr("resource-constraint"))));
}

TEST_F(OfflineTest, WhatMayBeStoredIsNotReturned) {
  Client& romeo = Online("romeo@home.example/orchard");
  Settle();
  roster_->TakeAsked();
  roster_->DoubtNext(1);
  Chat(romeo, 1);
  std::size_t asked = 0;
  RunUntil([&] { return (asked += roster_->TakeAsked().size()) == 2; });
  EXPECT_THAT(Received(romeo), IsEmpty());
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
}

TEST_F(OfflineTest, WhatCouldNotBeReadAtLoginComesWhenTheStoreIsBack) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  roster_->SetBroken(true);
  juliet.Send("<presence/>");
  RunUntil([&] { return Looked() == 1; });
  roster_->SetBroken(false);
  RunUntil([&] { return roster_->offline_count("juliet@home.example") == 0; });
  EXPECT_THAT(Ids(juliet.Take()), ElementsAre("1"));
}

TEST_F(OfflineTest, WhoLogsInDoesNotWaitForWhatMayBeStored) {
  Client& romeo = Online("romeo@home.example/orchard");
  Settle();
  roster_->TakeAsked();
  roster_->DoubtNext(1);
  Chat(romeo, 1);
  RunUntil([&] { return !roster_->TakeAsked().empty(); });
  roster_->SetBroken(true);
  Client& juliet = Login("juliet@home.example/balcony");
  roster_->SetBroken(false);
  juliet.Send("<presence/>");
  RunUntil([&] { return !Ids(juliet.received()).empty(); });
  EXPECT_THAT(Ids(juliet.Take()), ElementsAre("1"));
  EXPECT_THAT(Received(romeo), IsEmpty());
}

TEST_F(OfflineTest, WhatCouldNotBeReadIsLookedForOnceAtATime) {
  Configure(1, {"router.roster_timeout=1s"});
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  Client& juliet = Login("juliet@home.example/balcony");
  roster_->SetBroken(true);
  const auto until_handled = [&] {
    juliet.Send("<iq type='get' id='behind'><ping xmlns='urn:xmpp:ping'/></iq>");
    RunUntil([&] {
      const auto received = juliet.Take();
      return std::any_of(received.begin(), received.end(), [](const auto& s) { return s.find("behind") != s.npos; });
    });
  };
  juliet.Send("<presence/>");
  until_handled();  // it is away for more than a moment
  const long before = Looked();
  for (const char* priority : {"-1", "1", "-1", "2"}) {
    juliet.Send("<presence><priority>" + std::string(priority) + "</priority></presence>");
  }
  until_handled();
  EXPECT_EQ(Looked(), before + 2);
  roster_->SetBroken(false);
  RunUntil([&] { return roster_->offline_count("juliet@home.example") == 0; });
  Settle();
  EXPECT_EQ(Looked(), before + 3);
}

TEST_F(OfflineTest, ARepeatIsStoredOnce) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  edge().SendAgain(std::make_unique<rpc::Envelope>(edge().last()));
  Settle();
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 1);
}

TEST_F(OfflineTest, DeliveredMessagesAreNotDeliveredAgainWhenTheyCouldNotBeDeleted) {
  Client& romeo = Online("romeo@home.example/orchard");
  Chat(romeo, 1);
  Settle();
  testing::Edge& slow = AddEdge("c2s-2");
  Client& juliet = Login(slow, "juliet@home.example/balcony");
  slow.SetHolding(true);
  juliet.Send("<presence/>");
  RunUntil([&] { return !Ids(juliet.received()).empty(); });
  roster_->SetBroken(true);
  slow.SetHolding(false);
  Settle();
  roster_->SetBroken(false);
  Client& other = Login("juliet@home.example/other");
  other.Send("<presence/>");
  EXPECT_THAT(Ids(Received(other)), IsEmpty());
  RunUntil([&] { return roster_->offline_count("juliet@home.example") == 0; });
}

}  // namespace
}  // namespace parley::router

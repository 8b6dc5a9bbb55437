// Roster pushes that come late: other routers may have pushed something newer.
#include <algorithm>

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRomeo[] = "romeo@home.example";

// Romeo has two clients. When the edge of one is cut off from his home, it goes by the other router: both serve him.
class LatePushesTest : public testing::ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    Configure(2);
    Begin();
    ASSERT_EQ(edge().HomeOf(kRomeo), "router-1");
    orchard_ = &Online(cut_off(), kOrchard);
    street_ = &Online(second(), "romeo@home.example/street");
  }
  Edge& cut_off() { return first(); }
  Client& street() { return *street_; }
  Client& orchard() { return *orchard_; }

  // One set of the roster, until it is answered.
  void Set(Client& client, const std::string& item) {
    client.Send("<iq type='set' id='set'><query xmlns='jabber:iq:roster'>" + item + "</query></iq>");
    RunUntil([&] { return std::any_of(client.received().begin(), client.received().end(), IsAnswer); });
  }
  void Name(Client& client, const std::string& name) {
    Set(client, "<item jid='nurse@home.example' name='" + name + "'/>");
  }
  // By the home; its push for the other client waits.
  void NameFirst(const std::string& name) {
    Link({address(1)});
    RunUntil([&] { return HasEdge("c2s-2", 1); });
    Name(street(), name);
    RunUntil([&] { return Metric("parley_router_parked") > 0; });
  }
  void Link(std::vector<std::string> routers) {
    cut_off().Disconnect();
    RunUntil([&] { return !HasEdge("c2s-2", 0) && !HasEdge("c2s-2", 1); });
    cut_off().Reconnect(std::move(routers));
  }
  void Rejoin() {
    orchard().Take();
    Link({address(0), address(1)});
    RunUntil([&] { return HasEdge("c2s-2", 0) && HasEdge("c2s-2", 1); });
    Settle();
  }
  static bool IsAnswer(const std::string& stanza) { return stanza.find("id='set'") != std::string::npos; }
  static std::vector<std::string> PushesIn(const std::vector<std::string>& stanzas) {
    std::vector<std::string> pushes;
    for (const auto& stanza : stanzas) {
      if (Attr(stanza, "id").starts_with("push-")) pushes.push_back(stanza);
    }
    return pushes;
  }
  // To the client whose edge is cut off, since the last call.
  std::vector<std::string> Pushes() { return PushesIn(orchard().Take()); }

 private:
  Client* street_ = nullptr;
  Client* orchard_ = nullptr;
};

TEST_F(LatePushesTest, ShowTheItemAsItIsNow) {
  NameFirst("old");
  Name(orchard(), "new");
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='3'"))));
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='2'"))));
}

TEST_F(LatePushesTest, ShowThatItIsRemoved) {
  NameFirst("old");
  Set(orchard(), "<item jid='nurse@home.example' subscription='remove'/>");
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("subscription='remove'"), HasSubstr("ver='2'"))));
}

// The client has a later version than this, but not the change.
TEST_F(LatePushesTest, ComeAsTheyWereIfTheItemHasNotChangedSince) {
  NameFirst("first");
  Set(street(), "<item jid='paris@home.example'/>");
  RunUntil([&] { return Metric("parley_router_parked") == 2; });
  Set(orchard(), "<item jid='tybalt@home.example'/>");
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("tybalt"), HasSubstr("ver='4'"))));
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("name='first'"), HasSubstr("ver='2'")),
                                    AllOf(HasSubstr("paris"), HasSubstr("ver='3'"))));
}

// The client may be gone before it has the older one, and would never get it with the version of the newer.
TEST_F(LatePushesTest, ComeBeforeWhatIsNewer) {
  NameFirst("first");
  roster_->SetHolding(true, "set_item");
  roster_->TakeAsked();
  street().Send("<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='paris@home.example'/></query></iq>");
  RunUntil([&] { return !roster_->TakeAsked().empty(); });
  Link({address(0), address(1)});
  RunUntil([&] { return HasEdge("c2s-2", 0); });
  roster_->SetHolding(false);
  Settle();
  EXPECT_THAT(Pushes(), ElementsAre(HasSubstr("ver='2'"), HasSubstr("ver='3'")));
}

// The roster service remembers for so long only what changed.
TEST_F(LatePushesTest, ShowTheItemAsItIsInTheWholeRoster) {
  NameFirst("old");
  roster::v1::Answer answer;
  answer.mutable_roster()->set_version("100");
  auto& item = *answer.mutable_roster()->add_items();
  item.set_jid("nurse@home.example");
  item.set_name("new");
  item.set_in_roster(true);
  roster_->AnswerAll([&]() -> Result<std::string> { return answer.SerializeAsString(); });
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='2'"))));
}

TEST_F(LatePushesTest, ShowThatItIsInTheRosterNoMore) {
  NameFirst("old");
  roster::v1::Answer answer;
  answer.mutable_roster()->set_version("100");
  answer.mutable_roster()->add_items()->set_jid("nurse@home.example");  // it asks for a subscription
  roster_->AnswerAll([&]() -> Result<std::string> { return answer.SerializeAsString(); });
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("subscription='remove'"), HasSubstr("ver='2'"))));
}

TEST_F(LatePushesTest, ComeAsTheyWereWithoutTheRosterService) {
  NameFirst("old");
  roster_->SetBroken(true);
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(AllOf(HasSubstr("name='old'"), HasSubstr("ver='2'"))));
}

TEST_F(LatePushesTest, ReachASessionThatRedisHasLost) {
  NameFirst("old");
  Name(orchard(), "new");
  Redis({"FLUSHALL"});
  RunUntil([&] { return Metric("parley_router_rosters_cached") == 0; });
  Rejoin();
  EXPECT_THAT(Pushes(), ElementsAre(HasSubstr("name='new'")));
}

// That one reads its roster, or does not want to know.
TEST_F(LatePushesTest, AreNotForTheNextSessionOfTheResource) {
  NameFirst("old");
  orchard().Close();
  Client& heir = Login(cut_off(), kOrchard);
  EXPECT_EQ(heir.jid(), kOrchard);
  Rejoin();
  EXPECT_THAT(heir.Take(), IsEmpty());
}

TEST_F(LatePushesTest, ShowTheItemAsItIsNowInTheQueueOfASessionWithoutEdge) {
  cut_off().Enable(orchard(), kLong);
  RunUntil([&] { return orchard().queue() != ""; });
  const Client left(second(), kRomeo, orchard().id());
  NameFirst("old");
  Name(orchard(), "new");
  KillEdge(cut_off());
  RunUntilOrphaned();
  RunUntil([&] { return Metric("parley_router_parked") == 0; });
  Settle();
  EXPECT_THAT(PushesIn(Resumed(second(), left).received()),
              ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='3'")),
                          AllOf(HasSubstr("name='new'"), HasSubstr("ver='2'"))));
}

TEST_F(LatePushesTest, ShowTheItemAsItIsNowToASessionThatWasResumedElsewhere) {
  cut_off().Enable(orchard(), kLong);
  RunUntil([&] { return orchard().queue() != ""; });
  NameFirst("old");
  Name(orchard(), "new");
  Client& back = Resumed(second(), orchard());
  RunUntil([&] { return Metric("parley_router_parked") == 0; });
  Settle();
  EXPECT_THAT(PushesIn(back.received()), ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='3'")),
                                                     AllOf(HasSubstr("name='new'"), HasSubstr("ver='2'"))));
}

// Its edge was asked for it, but keeps it.
TEST_F(LatePushesTest, ShowTheItemAsItIsNowWhenTheyHaveWaitedForAHandOver) {
  street().Close();
  Client& romeo = Managed(second(), "romeo@home.example/square");
  second().SetKeeping(true);
  second().SetFrozen(true);
  Client& refused = edge().Resume(romeo);
  RunUntil([&] { return second().frozen() == 1; });
  Name(orchard(), "old");
  EXPECT_EQ(Metric("parley_router_parked"), 1);
  roster_->Rename(kRomeo, "nurse@home.example", "new");
  second().SetFrozen(false);
  RunUntil([&] { return edge().answered(refused); });
  Settle();
  EXPECT_THAT(PushesIn(romeo.received()), ElementsAre(AllOf(HasSubstr("name='new'"), HasSubstr("ver='2'"))));
}

}  // namespace
}  // namespace parley::router

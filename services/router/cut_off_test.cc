#include <memory>
#include <string>
#include <vector>

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;
using testing::ManagedTest;

// Romeo's first edge reaches only a router that is not his home, which does not reach that edge, and so gives his
// session away without asking it.
class CutOffTest : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    Configure(2);
    Begin();
    for (const char* name : {"c2s-4", "c2s-5"}) {
      edges_.push_back(std::make_unique<Edge>(loop_, name, std::vector{address(1)}, redis_.options(),
                                              std::chrono::milliseconds(600)));
      RunUntil([&] { return edges_.back()->ready() && HasEdge(name, 1); });
    }
    romeo_ = &Login(cut_off(), kOrchard);
    cut_off().Enable(*romeo_, kLong);
    RunUntil([&] { return romeo_->queue() != ""; });
    nurse_ = &Login(*edges_[1], "nurse@other.example/kitchen");
  }
  Edge& cut_off() { return *edges_[0]; }
  Client& romeo() { return *romeo_; }
  // By the way of the edge that is cut off.
  void Write(int number) {
    nurse_->Send("<message to='romeo@home.example/orchard' id='" + std::to_string(number) +
                 "'><body>x</body></message>");
  }

 private:
  std::vector<std::unique_ptr<Edge>> edges_;
  Client* romeo_ = nullptr;
  Client* nurse_ = nullptr;
};

TEST_F(CutOffTest, WhatTheFormerEdgeGivesBackGoesBeforeWhatIsNew) {
  cut_off().SetFrozen(true);
  Write(1);
  RunUntil([&] { return cut_off().frozen() == 1; });
  Client& back = Resumed(second(), romeo());
  EXPECT_FALSE(romeo().handed_over());
  Write(2);
  RunUntil([&] { return Metric("parley_router_parked") == 1; });
  cut_off().SetFrozen(false);
  ExpectIds(back, Numbers(1, 3));
}

TEST_F(CutOffTest, WhatWaitsForTheFormerEdgeGoesBeforeWhatIsNew) {
  cut_off().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-4", 1); });
  Write(1);
  RunUntil([&] { return Metric("parley_router_parked") == 1; });
  Client& back = Resumed(second(), romeo());
  Write(2);
  ExpectIds(back, Numbers(1, 3));
}

// Romeo's home, which has him in its memory, is cut off from Redis; another router binds him, of which it does not
// know.
class BlindTest : public ManagedTest {
 protected:
  void SetUp() override {
    ManagedTest::SetUp();
    Configure(2, {"router.redis_patience=10m"});  // else it leaves the ring
    Begin();
    there_ = std::make_unique<Edge>(loop_, "c2s-4", std::vector{address(1)}, redis_.options(),
                                    std::chrono::milliseconds(600));
    RunUntil([&] { return there_->ready() && HasEdge("c2s-4", 1); });
  }
  // Another account that has the same home.
  std::string Neighbour() {
    int number = 0;
    std::string name;
    do {
      name = "u" + std::to_string(++number) + "@home.example";
    } while (first().HomeOf(name) != first().HomeOf(kRomeo));
    roster_->AddAccount(name);
    return name;
  }
  void CutOff() {
    CutFromRedis(0);
    RunUntil([&] { return !Missing().empty(); });
  }
  void Join() {
    JoinToRedis(0);
    RunUntil([&] { return Missing().empty(); });
  }
  // He has all that was stored before.
  Client& OnlineThere(const std::string& bare) {
    Client& client = Login(*there_, bare + "/orchard");
    client.Send("<presence/>");
    RunUntil([&] { return Ids(client.received()).size() == 1; });
    return client;
  }
  Client& AnonymousThere(const std::string& bare) {
    Client& client = there_->Bind(bare, "orchard", session::v1::CONFLICT_REPLACE_OLD, true);
    RunUntil([&] { return there_->answered(client); });
    return client;
  }
  // From now on it reaches both, too.
  void LinkThere() {
    there_->Reconnect({address(0), address(1)});
    RunUntil([&] { return there_->ready() && HasEdge("c2s-4"); });
  }
  void Store(int number, const std::string& bare) {
    Chat(number, bare);
    RunUntil([&] { return roster_->offline_count(bare) == 1; });
  }

  static constexpr char kRomeo[] = "romeo@home.example";

 private:
  std::unique_ptr<Edge> there_;
};

TEST_F(BlindTest, WhatIsStoredForOneWhoIsBoundMeanwhileComesToHimBeforeWhatIsNew) {
  Store(1, kRomeo);
  CutOff();
  Client& romeo = OnlineThere(kRomeo);
  Store(2, kRomeo);
  LinkThere();
  Join();
  RunUntil([&] { return Ids(romeo.received()).size() == 2; });
  Chat(3, kRomeo);
  ExpectIds(romeo, Numbers(1, 4));
}

TEST_F(BlindTest, AnAccountForWhichSomethingIsStoredWhileAnotherIsReadIsReadToo) {
  const std::string neighbour = Neighbour();
  Store(1, kRomeo);
  Store(1, neighbour);
  CutOff();
  Client& romeo = OnlineThere(kRomeo);
  Client& other = OnlineThere(neighbour);
  Store(2, kRomeo);
  LinkThere();
  roster_->SetHolding(true, "fetch_offline");
  Join();
  RunUntil([&] { return roster_->held() == 1; });
  CutOff();
  Store(2, neighbour);
  Join();
  roster_->SetHolding(false);
  ExpectIds(romeo, Numbers(1, 3));
  ExpectIds(other, Numbers(1, 3));
}

// As where another router has written what was to be written in the turn that waited for Redis.
TEST_F(BlindTest, AnAccountThatIsReadInTheMiddleOfItsTurnIsLookedAtToo) {
  const std::string neighbour = Neighbour();
  Client& quiet = Login(first(), std::string(kRomeo) + "/quiet");
  Client& witness = Login(first(), neighbour + "/home");
  Store(1, kRomeo);
  CutOff();
  Client& romeo = OnlineThere(kRomeo);
  Store(2, kRomeo);
  LinkThere();
  quiet.Send("<presence><priority>-1</priority></presence>");
  witness.Send("<iq type='get' id='ping' to='home.example'><ping xmlns='urn:xmpp:ping'/></iq>");
  RunUntil([&] { return !witness.received().empty(); });  // and what was said before it has arrived
  auto record = RecordOf("quiet");
  const std::string stamp = record.session() + " " + std::to_string(record.revision() + 1) + "\n";
  record.set_revision(record.revision() + 1);
  Redis({"HSET", "parley:s:{romeo@home.example}", "quiet", stamp + record.SerializeAsString()});
  Join();
  ExpectIds(romeo, Numbers(1, 3));
}

// Nothing is stored for such a user: there is no account.
TEST_F(BlindTest, AnAnonymousUserIsNotReadAgainAndAgain) {
  Store(1, kRomeo);
  CutOff();
  Chat(2, kRomeo);
  RunUntil([&] { return roster_->offline_count(kRomeo) == 2; });
  Client& romeo = AnonymousThere(kRomeo);
  LinkThere();
  Join();
  Chat(3);
  ExpectIds(romeo, {"3"});
}

}  // namespace
}  // namespace parley::router

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

// Romeo's home, which has him in its memory, is cut off from Redis and does not know of it; another router binds him.
TEST_F(ManagedTest, WhatIsStoredForOneWhoIsBoundMeanwhileComesToHimBeforeWhatIsNew) {
  Configure(2, {"router.redis_patience=10m"});  // else it leaves the ring
  Begin();
  Edge there(loop_, "c2s-4", {address(1)}, redis_.options(), std::chrono::milliseconds(600));
  RunUntil([&] { return there.ready() && HasEdge("c2s-4", 1); });
  Chat(1, "romeo@home.example");
  Settle();
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  Client& romeo = Login(there, kOrchard);
  romeo.Send("<presence/>");
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  Chat(2, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 1; });
  there.Reconnect({address(0), address(1)});
  RunUntil([&] { return there.ready() && HasEdge("c2s-4"); });
  JoinToRedis(0);
  RunUntil([&] { return Missing().empty(); });
  RunUntil([&] { return Ids(romeo.received()).size() == 2; });
  Chat(3, "romeo@home.example");
  ExpectIds(romeo, Numbers(1, 4));
}

// Nothing is stored for such a user: there is no account.
TEST_F(ManagedTest, AnAnonymousUserIsNotReadAgainAndAgain) {
  Configure(2, {"router.redis_patience=10m"});
  Begin();
  Edge there(loop_, "c2s-4", {address(1)}, redis_.options(), std::chrono::milliseconds(600));
  RunUntil([&] { return there.ready() && HasEdge("c2s-4", 1); });
  Chat(1, "romeo@home.example");
  Settle();
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  Chat(2, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  Client& romeo = there.Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REPLACE_OLD, true);
  RunUntil([&] { return there.answered(romeo); });
  there.Reconnect({address(0), address(1)});
  RunUntil([&] { return there.ready() && HasEdge("c2s-4"); });
  JoinToRedis(0);
  RunUntil([&] { return Missing().empty(); });
  Chat(3);
  ExpectIds(romeo, {"3"});
}

}  // namespace
}  // namespace parley::router

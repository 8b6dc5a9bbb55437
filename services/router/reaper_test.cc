// Who cleans up after a dead edge.
#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

class ReaperTest : public testing::OrphansTest {
 protected:
  // The session that it leaves stays for long, and so does the claim to it.
  void RunUntilClaimed() {
    Begin();
    claim_ = "parley:reap:c2s-2/" + first().epoch();
    Kill(first(), Managed(first(), kOrchard));
    RunUntilOrphaned();
    RunUntil([&] { return Owner() == "router-1"; });
  }
  // As if we had stood still for so long that our claim lapsed.
  void ClaimAsAnother() { Redis({"SET", claim_, "router-7"}); }
  std::string Owner() { return Redis({"GET", claim_}); }

 private:
  std::string claim_;
};

TEST_F(ReaperTest, GivesItsClaimUpWhenItStops) {
  RunUntilClaimed();
  DrainRouter(0);
  RunUntil([&] { return Owner() == "(nil)"; });
}

TEST_F(ReaperTest, LeavesAnothersClaimWhenItStops) {
  RunUntilClaimed();
  ClaimAsAnother();
  bool drained = false;
  DrainRouter(0, [&] { drained = true; });
  RunUntil([&] { return drained; });  // long after it has looked whether it is to stop
  EXPECT_EQ(Owner(), "router-7");
}

TEST_F(ReaperTest, LeavesAnothersClaimWhenItGoesOn) {
  RunUntilClaimed();
  ClaimAsAnother();
  Managed(second(), "romeo@home.example/street", kShort);
  KillEdge(second());
  RunUntil([&] { return Metric("parley_router_expired_sessions_total") == 1; });  // it has gone on
  EXPECT_EQ(Owner(), "router-7");
}

}  // namespace
}  // namespace parley::router

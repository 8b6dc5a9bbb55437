// What an edge says of a session that it serves without Redis (link.v1.Unlogged).
#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::OrphansTest;

TEST_F(OrphansTest, HowFarTheQueueGoesIsSaidToWhoeverClaimsItFromADeadEdge) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  EXPECT_FALSE(RecordOf().has_unlogged_after());
  first().SayUnlogged(romeo, 0);
  Settle();
  EXPECT_TRUE(RecordOf().has_unlogged_after());
  first().SayUnlogged(romeo, 3);
  Settle();
  EXPECT_EQ(RecordOf().unlogged_after(), 3u);
  const Client left = Kill(first(), romeo);
  RunUntilOrphaned();
  Chat(1);
  Client& back = Resumed(second(), left);
  ASSERT_TRUE(back.resumed().record().has_unlogged_after());
  EXPECT_EQ(back.resumed().record().unlogged_after(), 3u);
  ExpectIds(back, {"1"});
}

TEST_F(OrphansTest, HowFarTheQueueGoesIsSaidOfOneClaimOnly) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Resumed(second(), romeo);
  first().SayUnlogged(romeo, 3);
  Settle();
  EXPECT_FALSE(RecordOf().has_unlogged_after());
}

// Neither the edge nor the router has it.
TEST_F(OrphansTest, HowFarTheQueueGoesIsKeptUntilRedisIsBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  first().SayUnlogged(romeo, 3);
  Settle();
  JoinToRedis(0);
  RunUntil([&] { return Missing().empty(); });
  Chat(1);
  ExpectIds(romeo, {"1"});
  RunUntil([&] { return RecordOf().has_unlogged_after(); });
  EXPECT_EQ(RecordOf().unlogged_after(), 3u);
}

}  // namespace
}  // namespace parley::router

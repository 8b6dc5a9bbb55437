#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;

// Edges that put their sessions back, as they were taken for dead or Redis lost its data.
class PutBackTest : public testing::ManagedTest {
 protected:
  bool Restore(Edge& edge, Client& client, const std::string& queue) {
    session::v1::Record record;
    record.set_resource("orchard");
    record.set_queue(queue);
    record.set_resume_ms(kLong);
    std::optional<bool> ok;
    edge.Restore(client, record, [&](bool restored) { ok = restored; });
    RunUntil([&] { return ok.has_value(); });
    return *ok;
  }
};

TEST_F(PutBackTest, ALateEdgeDoesNotGetItsSessionBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  EXPECT_TRUE(Restore(first(), romeo, romeo.queue()));
  Client& back = Resumed(second(), romeo);
  EXPECT_FALSE(Restore(first(), romeo, romeo.queue()));
  EXPECT_TRUE(Restore(second(), back, back.queue()));
  EXPECT_EQ(RecordOf().node(), "c2s-3");
}

TEST_F(PutBackTest, AnEdgeThatWasTakenForDeadPutsItsSessionBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntilOrphaned();
  Settle();
  EXPECT_NE(RecordOf().away_since(), 0);
  EXPECT_TRUE(Restore(first(), romeo, romeo.queue()));
  EXPECT_EQ(RecordOf().away_since(), 0);
  EXPECT_EQ(QueueLength(romeo.queue()), "2");
}

TEST_F(PutBackTest, AfterItsEndASessionIsNotPutBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  romeo.Close("timeout");
  Settle();
  EXPECT_FALSE(Restore(first(), romeo, romeo.queue()));
  RunUntil([&] { return RedisIsClean(); });
}

// It was resumed elsewhere while its edge stood still, and its client closed it there. What would come for it could
// never be handled again: all that it left is taken care of.
TEST_F(PutBackTest, ASessionThatItsClientClosedElsewhereIsNotPutBack) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Client& back = Resumed(second(), romeo);
  back.Close();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_FALSE(Restore(first(), romeo, romeo.queue()));
  EXPECT_TRUE(RedisIsClean());
}

TEST_F(PutBackTest, ASessionThatMayBeOverIsNotPutBackUntilRedisSaysWhetherItIs) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Resumed(second(), romeo).Close();
  RunUntil([&] { return RedisIsClean(); });
  Redis({"ACL", "SETUSER", "router-1", "-exists"});
  EXPECT_FALSE(Restore(first(), romeo, romeo.queue()));
  EXPECT_TRUE(RedisIsClean());
}

TEST_F(PutBackTest, OrphanedOnceMoreItsQueueIsReadAnew) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().Lose(romeo);
  Chat(1);
  RunUntil([&] { return QueueLength(romeo.queue()) == "2"; });
  first().Regain(romeo);
  ASSERT_TRUE(Restore(first(), romeo, romeo.queue()));
  first().SetHolding(true);
  Chat(2);
  RunUntil([&] { return QueueLength(romeo.queue()) == "3"; });
  KillEdge(first());
  RunUntilOrphaned(2);
  Settle();
  EXPECT_EQ(QueueLength(RecordOf().queue()), "3");
}

TEST_F(PutBackTest, AnEmptiedRedisIsFilledAgain) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Redis({"FLUSHALL"});
  RunUntil([&] { return Metric("parley_router_rosters_cached") == 0; });
  EXPECT_TRUE(Restore(first(), romeo, romeo.queue()));
  EXPECT_EQ(RecordOf().queue(), romeo.queue());
}

}  // namespace
}  // namespace parley::router

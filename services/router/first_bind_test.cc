#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;
using ::testing::HasSubstr;

constexpr char kRomeoKey[] = "parley:s:{romeo@home.example}";

// Of an account that is not in memory: the first session is written in the step that reads it, if nobody is there.
class FirstBindTest : public testing::ClusterTest {
 protected:
  Client& Bind(Edge& edge, const std::string& resource, session::v1::Conflict conflict) {
    Client& client = edge.Bind("romeo@home.example", resource, conflict);
    RunUntil([&] { return edge.answered(client); });
    return client;
  }
  // What another router wrote.
  void Write(const std::string& resource, const std::string& session) {
    session::v1::Record record;
    record.set_resource(resource);
    record.set_session(session);
    record.set_node("c2s-1");
    record.set_node_epoch(edge().epoch());
    record.set_revision(1);
    Redis({"HSET", kRomeoKey, resource, session + " 1\n" + record.SerializeAsString()});
  }
  std::string Index() { return "parley:n:c2s-1/" + edge().epoch(); }
};

TEST_F(FirstBindTest, TakesOneExchange) {
  Start();
  Client& romeo = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(romeo.jid(), "romeo@home.example/orchard");
  // Only writes that follow a read look at what the resource holds.
  EXPECT_THAT(Redis({"INFO", "commandstats"}), ::testing::Not(HasSubstr("cmdstat_hget:")));
  EXPECT_THAT(Redis({"HGET", kRomeoKey, "orchard"}), ::testing::StartsWith(romeo.id() + " 1\n"));
  EXPECT_EQ(Redis({"SISMEMBER", Index(), romeo.id() + " romeo@home.example/orchard"}), "1");
  EXPECT_EQ(Metric("parley_router_sessions_bound_total"), 1);
}

TEST_F(FirstBindTest, KeepsTheOtherSessionsOfTheAccount) {
  Start();
  Write("balcony", "theirs");
  Client& romeo = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(romeo.jid(), "romeo@home.example/orchard");
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "2");
  EXPECT_EQ(Redis({"SISMEMBER", Index(), romeo.id() + " romeo@home.example/orchard"}), "1");
}

TEST_F(FirstBindTest, IsRefusedTheResourceOfAnother) {
  Start();
  Write("orchard", "theirs");
  Client& romeo = Bind(edge(), "orchard", session::v1::CONFLICT_REFUSE_NEW);
  EXPECT_EQ(romeo.bound().condition(), "conflict");
  EXPECT_THAT(Redis({"HGET", kRomeoKey, "orchard"}), ::testing::StartsWith("theirs 1\n"));
  EXPECT_EQ(Redis({"SISMEMBER", Index(), romeo.id() + " romeo@home.example/orchard"}), "0");
}

TEST_F(FirstBindTest, IsKnownToBeTheSameWhenItIsAskedForAgain) {
  Start();
  Client& romeo = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  KillRouter(0);
  StartRouter(0);
  RunUntil([&] { return edge().ready(); });
  edge().BindAgain(romeo);
  RunUntil([&] { return edge().answered(romeo); });
  EXPECT_EQ(romeo.jid(), "romeo@home.example/orchard");
  EXPECT_EQ(Redis({"SISMEMBER", Index(), romeo.id() + " romeo@home.example/orchard"}), "1");
}

// As when its disk is full.
TEST_F(FirstBindTest, IsRefusedAtOnceIfRedisTakesNothing) {
  Start();
  Redis({"CONFIG", "SET", "min-replicas-to-write", "1"});
  Client& romeo = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(romeo.bound().condition(), "resource-constraint");
  EXPECT_EQ(Metric("parley_router_account_loads_total"), 2);
  Redis({"CONFIG", "SET", "min-replicas-to-write", "0"});
}

TEST_F(FirstBindTest, IsSeenWhenAnotherRouterChangesIt) {
  Start();
  Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  const double before = Metric("parley_router_accounts_invalidated_total");
  Redis({"HSET", kRomeoKey, "x", "y"});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > before; });
}

}  // namespace
}  // namespace parley::router

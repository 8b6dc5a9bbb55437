// A router that starts, while another serves.
#include <gmock/gmock.h>

#include <set>

#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using ::testing::ElementsAre;

class JoiningTest : public testing::ClusterTest {
 protected:
  // Two routers, of which the second is killed, and two edges.
  void Begin(std::vector<std::string> settings = {}) {
    settings.emplace_back("c2s.lease_ttl=1m");
    Configure(2, std::move(settings));
    Start();
    second_ = &AddEdge("c2s-2");
    RunUntil([&] { return !Joins(0) && !Joins(1); });
    KillRouter(1);
    RunUntil([&] { return Homes() == std::set<std::string>{"router-1"}; });
  }
  testing::Edge& second() { return *second_; }
  // Who serves a number of accounts, as the first edge believes.
  std::set<std::string> Homes() {
    std::set<std::string> homes;
    for (int i = 0; i < 16; ++i) homes.insert(edge().HomeOf("user" + std::to_string(i) + "@home.example"));
    return homes;
  }

 private:
  testing::Edge* second_ = nullptr;
};

TEST_F(JoiningTest, ItServesOnceAllEdgesAreConnected) {
  Begin();
  second().Disconnect();
  StartRouter(1);
  RunUntil([&] { return HasEdge("c2s-1", 1); });
  test::RunFor(loop_, std::chrono::milliseconds(100));
  EXPECT_TRUE(Joins(1));
  EXPECT_THAT(Homes(), ElementsAre("router-1"));
  second().Reconnect();
  RunUntil([&] { return Homes().size() == 2; });
  EXPECT_FALSE(Joins(1));
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"join_timeout\"}"), 0);
  EXPECT_GE(Metric("parley_router_join_seconds"), 0.1);  // of both
}

TEST_F(JoiningTest, ItWaitsOnlySoLong) {
  Begin({"router.join_timeout=200ms"});
  second().Disconnect();
  StartRouter(1);
  RunUntil([&] { return Homes().size() == 2; });
  EXPECT_GE(Metric("parley_router_limits_total{limit=\"join_timeout\"}"), 1);
}

// Nobody waits for it where nobody else serves.
TEST_F(JoiningTest, TheOnlyOneServesAtOnce) {
  Begin();
  second().Disconnect();
  KillRouter(0);
  StartRouter(1);
  RunUntil([&] { return Homes() == std::set<std::string>{"router-2"}; });
  EXPECT_TRUE(Joins(1));
  Login("romeo@home.example/orchard");
}

}  // namespace
}  // namespace parley::router

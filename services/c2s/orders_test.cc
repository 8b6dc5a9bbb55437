// Operators' orders to an edge, as they find them in Redis.
#include "services/c2s/orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/storage/orders.h"
#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

class OrdersTest : public ::testing::Test {
 protected:
  static void Often(config::Config& config) { config.c2s.orders_poll = std::chrono::milliseconds(20); }
  ~OrdersTest() override {  // all edges of this program have one Redis
    edge.redis().Call({"DEL", storage::kBansKey, storage::kDrainKey});
    edge.redis().Call({"INCR", storage::kOrdersVersionKey});
  }

  void Ban(const std::string& network, const std::string& expiry = storage::kNever) {
    edge.redis().Call({"ZADD", storage::kBansKey, expiry, network});
    edge.redis().Call({"INCR", storage::kOrdersVersionKey});
  }
  void Lift(const std::string& network) {
    edge.redis().Call({"ZREM", storage::kBansKey, network});
    edge.redis().Call({"INCR", storage::kOrdersVersionKey});
  }
  void OrderDrain(bool drain) { edge.redis().Call({drain ? "SADD" : "SREM", storage::kDrainKey, edge.instance()}); }
  bool LetsIn() {
    Client client(port);
    if (!client.connection().Send(HeaderFor(kHost))) return false;
    return client.connection().Receive() != "";
  }
  // Within ten seconds.
  bool ComesToLetIn(bool in) {
    return edge.Eventually([] { return true; }) && Repeat([&] { return LetsIn() == in; });
  }
  static bool Repeat(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
    }
    return false;
  }

  EdgeHarness edge{Often};
  const int port = edge.port();
};

TEST_F(OrdersTest, ABannedAddressIsCutOffAndKeptOutUntilTheBanIsLifted) {
  Client romeo(port);
  romeo.Start();
  Ban("127.0.0.0/8");
  EXPECT_EQ(StreamErrorIn(romeo.Rest()), "policy-violation");
  EXPECT_FALSE(LetsIn());
  Lift("127.0.0.0/8");
  EXPECT_TRUE(ComesToLetIn(true));
}

TEST_F(OrdersTest, ABanOfOthersHarmsNobodyElse) {
  Client romeo(port);
  romeo.Start();
  Ban("::/0");  // all of IPv6
  Ban("192.0.2.0/24");
  Ban("127.0.0.9");
  Ban("no address at all");
  OrderDrain(true);  // seen after the bans
  EXPECT_EQ(StreamErrorIn(romeo.Rest()), "system-shutdown");
}

TEST_F(OrdersTest, ABanThatHasRunOutIsDropped) {
  Ban("127.0.0.1");
  EXPECT_TRUE(ComesToLetIn(false));
  Ban("127.0.0.1", "1");  // long ago
  EXPECT_TRUE(ComesToLetIn(true));
  EXPECT_EQ(edge.redis().Call({"ZCARD", storage::kBansKey}), "0");
}

TEST_F(OrdersTest, ADrainedEdgeSendsItsClientsAwayAndIsNotReadyUntilItIsTakenBack) {
  Client romeo(port);
  romeo.Start();
  OrderDrain(true);
  EXPECT_EQ(StreamErrorIn(romeo.Rest()), "system-shutdown");
  EXPECT_TRUE(edge.Eventually([&] { return !edge.edge().ready(); }));
  OrderDrain(false);
  EXPECT_TRUE(edge.Eventually([&] { return edge.edge().ready(); }));
  Client(edge.port()).Open();
}

TEST_F(OrdersTest, AnOrderForAnotherEdgeIsNoneForThis) {
  edge.redis().Call({"SADD", storage::kDrainKey, edge.instance() + "0"});
  Ban("192.0.2.0/24");
  EXPECT_TRUE(Repeat([&] { return edge.Metric("parley_redis_scripts_sent_total") > 0; }));
  Client(port).Start();
  EXPECT_TRUE(edge.OnLoop([&] { return edge.edge().ready(); }));
}

class SeldomTest : public OrdersTest {
 protected:
  EdgeHarness seldom{[](config::Config& config) { config.c2s.orders_poll = std::chrono::hours(1); }};
};

// As when the edge starts: whoever drained it does not want it to take clients until the next look.
TEST_F(SeldomTest, OrdersAreReadAsSoonAsRedisIsThere) {
  Client romeo(seldom.port());
  romeo.Start();
  seldom.redis().Call({"SADD", storage::kDrainKey, seldom.instance()});
  seldom.redis().Call({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_EQ(StreamErrorIn(romeo.Rest()), "system-shutdown");
}

}  // namespace
}  // namespace parley::c2s::testing

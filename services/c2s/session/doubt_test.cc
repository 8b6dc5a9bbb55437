// Sessions without stream management of an edge that is cut off, or was stopped.
#include "services/c2s/testing/doubt_test.h"

#include <array>
#include <memory>

#include "libs/storage/lease.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What is answered or bounced would not find the session before.
class StoppedUnmanagedTest : public StoppedTest {
 protected:
  void Say(Client& client) {
    client.Send("<message to='juliet@example.org' id='1'/>");
    ASSERT_TRUE(AwaitSaid(1));
  }
  void StartAndStopRedis(Client& client) {
    client.Start();
    HoldAsks();
    edge_.redis().Stop();
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  }
  void ExpectItWaitsUntilPutBack() {
    ASSERT_TRUE(AwaitAsked());
    EXPECT_FALSE(GotMessage());
    AnswerAsks();
    EXPECT_TRUE(AwaitMessage());
  }
};

TEST_F(StoppedUnmanagedTest, WhatWasSaidWithoutStreamManagementWaitsToo) {
  Client client(edge_.port());
  client.Start();
  HoldAsks();
  StopAWhile();
  Say(client);
  ExpectItWaitsUntilPutBack();
}

// As its links have broken, too.
TEST_F(StoppedUnmanagedTest, WhatWasSaidBeforeARouterIsBackWaitsToo) {
  Client client(edge_.port());
  client.Start();
  HoldAsks();
  edge_.StopRouter();
  ASSERT_TRUE(AwaitUnready());
  Say(client);
  edge_.StartRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  ExpectItWaitsUntilPutBack();
}

TEST_F(StoppedUnmanagedTest, WithoutARouterThenItsClientIsToldSo) {
  Client client(edge_.port());
  client.Start();
  HoldAsks();
  StopAWhile();
  Say(client);
  edge_.StopRouter();
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<remote-server-timeout"));
}

// Nobody can put it back then.
TEST_F(StoppedUnmanagedTest, WithoutRedisNobodyWaits) {
  Client client(edge_.port());
  StartAndStopRedis(client);
  StopAWhile();
  Say(client);
  EXPECT_TRUE(AwaitMessage());
  edge_.redis().Start();
}

TEST_F(StoppedUnmanagedTest, WithoutRedisNobodyWaitsForARouterThatIsBackEither) {
  Client client(edge_.port());
  StartAndStopRedis(client);
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_doubts_total{reason=\"no router\"}") > 0; }));
  Say(client);
  edge_.StartRouter();
  EXPECT_TRUE(AwaitMessage());
  edge_.redis().Start();
}

// They would take it for a dead node's, and end it.
TEST_F(StoppedUnmanagedTest, NothingIsPutBackUnderALeaseThatHasLapsed) {
  Client client(edge_.port());
  StartAndStopRedis(client);
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_doubts_total{reason=\"stopped\"}") > 0; }));
  EXPECT_FALSE(edge_.OnLoop([this] { return !edge_.router().held_asks.empty(); }));
  edge_.redis().Start();
  ASSERT_TRUE(AwaitAsked());
  const auto& asks = edge_.router().asks;
  EXPECT_TRUE(edge_.OnLoop(
      [&] { return storage::IsLater(asks.back().restore().record().node_epoch(), asks.front().bind().node_epoch()); }));
}

// As when its disk is full.
class RefusedUnmanagedTest : public StoppedUnmanagedTest {
 protected:
  ~RefusedUnmanagedTest() override { edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "0"}); }
  void RefuseWrites() {
    HoldAsks();
    edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "1"});
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().context().node.held(); }));
  }
};

TEST_F(RefusedUnmanagedTest, WhileRedisRefusesWritesNobodyWaits) {
  Client client(edge_.port());
  client.Start();
  RefuseWrites();
  StopAWhile();
  Say(client);
  EXPECT_TRUE(AwaitMessage());
}

TEST_F(RefusedUnmanagedTest, WhileRedisRefusesWritesNobodyWaitsForARouterThatIsBackEither) {
  Client client(edge_.port());
  client.Start();
  RefuseWrites();
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_doubts_total{reason=\"no router\"}") > 0; }));
  Say(client);
  edge_.StartRouter();
  EXPECT_TRUE(AwaitMessage());
}

// Of two routers, whose links break one behind the other.
class TwoRoutersTest : public ::testing::Test {
 protected:
  TwoRoutersTest()
      : edge_([this](config::Config& config) {
          Hasten(config);
          config.cluster.routers.push_back(address_);
          config.link.reconnect_min = std::chrono::milliseconds(500);
        }) {
    edge_.OnLoop([this] {
      const rpc::Self self{"router", "router-2", "epoch"};
      server_ =
          std::make_unique<rpc::Server>(edge_.loop(), self, address_, rpc::LinkOptions(), rpc::Methods(), &second_);
    });
    EXPECT_TRUE(edge_.Eventually([this] { return second_.links.size() == 1; }));
    edge_.OnLoop([this] {
      for (auto* router : routers()) router->on_ask = [this](const session::v1::Ask& ask) { MakeQueue(ask); };
    });
  }
  ~TwoRoutersTest() override {
    edge_.OnLoop([this] { server_.reset(); });
  }
  std::array<FakeRouter*, 2> routers() { return {&edge_.router(), &second_}; }
  // On the loop's thread.
  std::size_t Messages(const FakeRouter& router) {
    return static_cast<std::size_t>(std::count_if(router.got.begin(), router.got.end(), [](const auto& got) {
      return got.envelope.kind() == link::v1::KIND_MESSAGE;
    }));
  }
  std::size_t Messages() { return Messages(edge_.router()) + Messages(second_); }
  // While the edge stands still, first that of the router that has a message.
  void BreakLinks() {
    edge_.OnLoop([this] {
      auto [one, other] = routers();
      if (Messages(*one) == 0) std::swap(one, other);
      one->links.front()->Close();
      other->links.front()->Close();
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    });
  }

  void MakeQueue(const session::v1::Ask& ask) {
    if (!ask.has_enable()) return;
    const auto& enable = ask.enable();
    edge_.redis().Call(
        {"RPUSH", session::QueueKey(enable.account(), enable.queue()), session::Encode(enable.header())});
  }

  const std::string address_ = "127.0.0.1:" + std::to_string(test::FreePort());
  FakeRouter second_;
  std::unique_ptr<rpc::Server> server_;
  EdgeHarness edge_;
};

TEST_F(TwoRoutersTest, WhatTheFirstLinkGivesBackIsNotAnsweredAsTheLastBreaks) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] {
    for (auto* router : routers()) router->hold = true;
  });
  client.Send("<message to='juliet@example.org' id='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 1; }));
  BreakLinks();
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 2; }));
  edge_.OnLoop([this] {
    std::string session;
    for (auto* router : routers()) {
      for (const auto& ask : router->asks) session = ask.has_bind() ? ask.bind().session() : session;
    }
    auto* router = routers()[edge_.router().links.empty() ? 1 : 0];
    router->Deliver(session, "<message id='end'/>");
  });
  EXPECT_THAT(client.Until("<message id='end'/>"), Not(HasSubstr("<error")));
}

// What one session may not send now says nothing of how long the routers have been gone.
TEST_F(TwoRoutersTest, WhatTheFirstLinkGivesBackDoesNotMakeOthersGiveUp) {
  Client managed(edge_.port());
  managed.Start();
  managed.Send(kEnable);
  managed.Until("<enabled");
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] {
    for (auto* router : routers()) router->hold = true;
  });
  managed.Send("<message to='juliet@example.org' id='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 1; }));
  BreakLinks();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  client.Send("<message to='juliet@example.org' id='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 3; })) << "each goes once a router is back";
}

}  // namespace
}  // namespace parley::c2s::testing

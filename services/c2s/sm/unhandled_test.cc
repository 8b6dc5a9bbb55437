// What a client may send beyond what Redis knows to be handled.
#include "services/c2s/session/ping.h"
#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

constexpr std::size_t kMost = 10;

class UnhandledTest : public ResumeTest {
 protected:
  UnhandledTest() : ResumeTest([](config::Config& config) { config.c2s.sm_max_unhandled = kMost; }) {}

  void SendMany(Client& client, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += "<message to='juliet@example.org'/>";
    client.Send(all);
  }
  std::size_t got() {
    return edge_.OnLoop([this] { return edge_.router().got.size(); });
  }
  void Acknowledge(std::size_t from, std::size_t to) {
    edge_.OnLoop([&] {
      for (std::size_t i = from; i < to; ++i) edge_.router().Acknowledge(i);
    });
  }
};

TEST_F(UnhandledTest, NoMoreIsReadThanAnotherEdgeTakesForRepeats) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  SendMany(client, 3 * kMost);
  ASSERT_TRUE(AwaitArrived(kMost));
  // All but the first are taken: none of them is handled, as XEP-0198 counts.
  Acknowledge(1, kMost);
  client.Send(kAsk);
  Deliver(SessionId(), Message("here"));
  client.Until(Message("here"));
  EXPECT_EQ(got(), kMost);
  EXPECT_GE(edge_.Metric("parley_c2s_limits_total{limit=\"sm_unhandled\"}"), 1);
  Acknowledge(0, 1);
  ASSERT_TRUE(AwaitArrived(2 * kMost));
  EXPECT_GE(Contents().header.handled(), kMost);
}

TEST_F(UnhandledTest, WhatIsAnsweredHereIsNotedInTime) {
  Client client(edge_.port());
  Enable(client);
  std::string pongs;
  for (std::size_t i = 0; i < 5 * kMost; ++i)
    pongs += "<iq type='result' id='" + std::string(kPingId) + "' to='example.org'/>";
  client.Send(pongs);
  SendMany(client, 1);
  EXPECT_TRUE(AwaitArrived(1));
}

TEST_F(UnhandledTest, WithoutRedisTheClientIsReadAllTheSame) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  SendMany(client, 3 * kMost);
  ASSERT_TRUE(AwaitArrived(3 * kMost));
  edge_.redis().Start();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 1; }));
  SendMany(client, 3 * kMost);
  EXPECT_TRUE(AwaitArrived(6 * kMost));
}

// Nothing can be noted before a router has said whose the session is.
TEST_F(UnhandledTest, WithoutItsQueueTheClientIsReadAllTheSame) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.redis().Call({"DEL", queue_});
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  SendMany(client, 3 * kMost);
  EXPECT_TRUE(AwaitArrived(3 * kMost));
}

TEST_F(UnhandledTest, SoManyAreTakenForRepeatsAfterACrash) {
  Leave([](session::v1::QueueHeader& header) { header.set_handled(5); }, {});
  Client client(edge_.port());
  Resume(client, "left", 0);
  SendMany(client, kMost + 1);
  ASSERT_TRUE(AwaitArrived(kMost + 1));
  const auto repeat = [this](std::size_t index) {
    return edge_.OnLoop([&] { return edge_.router().got.at(index).envelope.repeat(); });
  };
  EXPECT_TRUE(repeat(kMost - 1));
  EXPECT_FALSE(repeat(kMost));
}

}  // namespace
}  // namespace parley::c2s::testing

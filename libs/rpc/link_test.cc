#include "libs/rpc/link.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "libs/net/connection.h"
#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/telemetry/metrics.h"
#include "tests/support/redis_server.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using testing::MakeEnvelope;
using testing::Recorder;
using testing::RunFor;
using testing::RunUntil;

// One replica of a service, and an edge that is linked to it.
class LinkTest : public ::testing::Test {
 protected:
  void StartServer(const LinkOptions& options = {}) {
    server_ = std::make_unique<Server>(loop_, Self{"router", "router-1", "epoch-1"},
                                       "127.0.0.1:" + std::to_string(port_), options, Methods(), &server_side_);
    port_ = server_->port();
  }
  void Dial(const LinkOptions& options = {}, const std::string& service = "router") {
    client_ = std::make_unique<LinkClient>(loop_, Self{"c2s", "c2s-1", "epoch-2"}, "127.0.0.1:" + std::to_string(port_),
                                           options, client_side_, service);
  }
  void Connect(const LinkOptions& server_options = {}, const LinkOptions& client_options = {}) {
    StartServer(server_options);
    Dial(client_options);
    RunUntil(loop_, [&] { return client_side_.links.size() == 1 && server_side_.links.size() == 1; });
  }
  Link& up() { return *client_side_.links.at(0); }
  Link& down() { return *server_side_.links.at(0); }

  Loop loop_;
  Recorder server_side_;
  Recorder client_side_;
  int port_ = 0;
  std::unique_ptr<Server> server_;
  std::unique_ptr<LinkClient> client_;
};

TEST_F(LinkTest, HellosSayWhoTheyAre) {
  Connect();
  EXPECT_EQ(up().peer().service, "router");
  EXPECT_EQ(up().peer().instance, "router-1");
  EXPECT_EQ(up().peer().epoch, "epoch-1");
  EXPECT_EQ(down().peer().service, "c2s");
  EXPECT_EQ(down().peer().instance, "c2s-1");
}

TEST_F(LinkTest, EnvelopesArriveWholeAndInOrderInBothDirections) {
  Connect();
  for (int i = 1; i <= 1000; ++i) {
    up().Send(MakeEnvelope("romeo@home", i), {});
    down().Send(MakeEnvelope("juliet@home", i), {});
  }
  RunUntil(loop_, [&] { return up().unacknowledged() == 0 && down().unacknowledged() == 0; });
  ASSERT_EQ(server_side_.got.size(), 1000u);
  ASSERT_EQ(client_side_.got.size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(server_side_.got[i].number, i + 1u);
    EXPECT_EQ(server_side_.got[i].from, "romeo@home");
    EXPECT_EQ(client_side_.got[i].number, i + 1u);
  }
}

TEST_F(LinkTest, SmallWindowHoldsBackButLosesNothing) {
  LinkOptions narrow;
  narrow.window = 100;
  narrow.batch = 16;
  Connect(narrow);
  std::size_t most = 0;
  for (int i = 1; i <= 100000; ++i) up().Send(MakeEnvelope("romeo@home", i), {});
  EXPECT_TRUE(up().congested());
  server_side_.on_envelope = [&](Link&, std::unique_ptr<Envelope>, Receipt receipt) {
    server_side_.receipts.push_back(std::move(receipt));
    most = std::max(most, server_side_.receipts.size());
    if (server_side_.receipts.size() == 100) server_side_.receipts.clear();
  };
  RunUntil(loop_, [&] { return server_side_.got.size() == 100000; });
  EXPECT_EQ(most, 100u);
  for (std::size_t i = 0; i < server_side_.got.size(); ++i) ASSERT_EQ(server_side_.got[i].number, i + 1);
  server_side_.receipts.clear();
  RunUntil(loop_, [&] { return up().unacknowledged() == 0; });
  EXPECT_FALSE(up().congested());
  EXPECT_EQ(client_side_.writable, 1);
}

TEST_F(LinkTest, WindowInBytesHoldsToo) {
  LinkOptions narrow;
  narrow.window_bytes = 10000;
  server_side_.hold = true;
  Connect(narrow);
  for (int i = 1; i <= 100; ++i) up().Send(MakeEnvelope("romeo@home", i, std::string(1000, 'x')), {});
  RunUntil(loop_, [&] { return server_side_.got.size() == 10; });
  RunFor(loop_, 50ms);
  EXPECT_EQ(server_side_.got.size(), 10u);
  server_side_.hold = false;
  server_side_.receipts.clear();
  RunUntil(loop_, [&] { return up().unacknowledged() == 0; });
  EXPECT_EQ(server_side_.got.size(), 100u);
}

TEST_F(LinkTest, StanzaLargerThanTheWindowStillPasses) {
  LinkOptions narrow;
  narrow.window_bytes = 1000;
  Connect(narrow);
  for (int i = 1; i <= 3; ++i) up().Send(MakeEnvelope("romeo@home", i, std::string(200000, 'x')), {});
  RunUntil(loop_, [&] { return up().unacknowledged() == 0; });
  EXPECT_EQ(server_side_.got.size(), 3u);
}

TEST_F(LinkTest, AcknowledgedOnlyWhenTheLastCopyOfTheReceiptGoes) {
  server_side_.hold = true;
  Connect();
  int settled = 0;
  up().Send(MakeEnvelope("romeo@home", 1), Receipt([&](RefusalReason) { ++settled; }));
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 1; });
  Receipt copy = server_side_.receipts[0];
  server_side_.receipts.clear();
  RunFor(loop_, 30ms);
  EXPECT_EQ(settled, 0);
  copy = Receipt();
  RunUntil(loop_, [&] { return settled == 1; });
}

TEST_F(LinkTest, AcknowledgementsComeInAnyOrder) {
  server_side_.hold = true;
  Connect();
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    up().Send(MakeEnvelope("romeo@home", i), Receipt([&order, i](RefusalReason) { order.push_back(i); }));
  }
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 3; });
  for (const std::size_t expected : {2, 0, 1}) {
    const auto before = order.size();
    server_side_.receipts[expected] = Receipt();
    RunUntil(loop_, [&] { return order.size() > before; });
    EXPECT_EQ(order.back(), static_cast<int>(expected));
  }
}

TEST_F(LinkTest, RefusalGivesTheEnvelopeBack) {
  Connect();
  server_side_.on_envelope = [](Link&, std::unique_ptr<Envelope>, Receipt receipt) {
    receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  };
  up().Send(MakeEnvelope("romeo@home", 7, "<message id='7'/>"), {});
  RunUntil(loop_, [&] { return client_side_.refused.size() == 1; });
  EXPECT_EQ(client_side_.refused[0].second, link::v1::REFUSAL_REASON_NO_SESSION);
  EXPECT_EQ(client_side_.refused[0].first.envelope->stanza(), "<message id='7'/>");
  EXPECT_EQ(up().unacknowledged(), 0u);
}

TEST_F(LinkTest, BrokenStreamGivesBackWhatIsHeldInOrder) {
  server_side_.hold = true;
  Connect();
  for (int i = 1; i <= 100; ++i) up().Send(MakeEnvelope("romeo@home", i), {});
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 100; });
  for (int i = 0; i < 100; i += 2) server_side_.receipts[i] = Receipt();
  RunUntil(loop_, [&] { return up().unacknowledged() == 50; });
  for (int i = 101; i <= 110; ++i) up().Send(MakeEnvelope("romeo@home", i), {});
  server_.reset();
  RunUntil(loop_, [&] { return client_side_.downs == 1; });
  ASSERT_EQ(client_side_.held.size(), 60u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(client_side_.held[i].envelope->origin_seq(), 2 * i + 2);
  for (std::size_t i = 50; i < 60; ++i) EXPECT_EQ(client_side_.held[i].envelope->origin_seq(), 51 + i);
}

TEST_F(LinkTest, ReceiptAfterTheLinkIsGoneDoesNothing) {
  server_side_.hold = true;
  Connect();
  up().Send(MakeEnvelope("romeo@home", 1), {});
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 1; });
  client_.reset();
  RunUntil(loop_, [&] { return server_side_.downs == 1; });
  server_side_.receipts.clear();
  server_.reset();
}

TEST_F(LinkTest, DestroyedClientDoesNotAcknowledgeWhatItHeld) {
  server_side_.hold = true;
  Connect();
  int settled = 0;
  up().Send(MakeEnvelope("romeo@home", 1), Receipt([&](RefusalReason) { ++settled; }));
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 1; });
  client_.reset();
  RunFor(loop_, 20ms);
  EXPECT_EQ(settled, 0);
}

TEST_F(LinkTest, ReconnectsWhenThePeerIsBack) {
  Connect();
  server_.reset();
  RunUntil(loop_, [&] { return client_side_.downs == 1; });
  server_side_.links.clear();
  RunFor(loop_, 120ms);
  StartServer();
  RunUntil(loop_, [&] { return client_side_.links.size() == 1; });
  up().Send(MakeEnvelope("romeo@home", 1), {});
  RunUntil(loop_, [&] { return up().unacknowledged() == 0; });
}

TEST_F(LinkTest, RequestsGetTheirReplies) {
  Connect();
  std::vector<std::string> answers;
  for (const char* question : {"one", "two"}) {
    up().Ask(question, 5s, [&](Result<std::string> answer) { answers.push_back(*answer); });
  }
  down().Ask("three", 5s, [&](Result<std::string> answer) { answers.push_back(*answer); });
  RunUntil(loop_, [&] { return answers.size() == 3; });
  EXPECT_NE(std::find(answers.begin(), answers.end(), "re: one"), answers.end());
  EXPECT_NE(std::find(answers.begin(), answers.end(), "re: three"), answers.end());
}

TEST_F(LinkTest, FailureOfThePeerIsAnError) {
  Connect();
  server_side_.on_request = [](Link&, const std::string&, LinkHandler::Respond respond) { respond(Error("no idea")); };
  std::string failure;
  up().Ask("?", 5s, [&](Result<std::string> answer) { failure = answer.error().message(); });
  RunUntil(loop_, [&] { return !failure.empty(); });
  EXPECT_EQ(failure, "no idea");
}

TEST_F(LinkTest, RequestWithoutReplyTimesOutAndTheLateReplyIsIgnored) {
  server_side_.respond_at_once = false;
  Connect();
  std::string failure;
  up().Ask("?", 50ms, [&](Result<std::string> answer) { failure = answer.error().message(); });
  RunUntil(loop_, [&] { return !failure.empty(); });
  EXPECT_NE(failure, kLinkBroken);
  ASSERT_EQ(server_side_.responds.size(), 1u);
  server_side_.responds[0](std::string("late"));
  bool answered = false;
  server_side_.respond_at_once = true;
  up().Ask("!", 5s, [&](Result<std::string>) { answered = true; });
  RunUntil(loop_, [&] { return answered; });
  EXPECT_EQ(client_side_.downs, 0);
}

TEST_F(LinkTest, BrokenStreamFailsRequests) {
  server_side_.respond_at_once = false;
  Connect();
  std::string failure;
  up().Ask("?", 10s, [&](Result<std::string> answer) { failure = answer.error().message(); });
  RunUntil(loop_, [&] { return server_side_.responds.size() == 1; });
  server_.reset();
  RunUntil(loop_, [&] { return !failure.empty(); });
  EXPECT_EQ(failure, kLinkBroken);
}

// So that they are asked again in that order.
TEST_F(LinkTest, ABrokenStreamFailsRequestsInTheOrderAsked) {
  server_side_.respond_at_once = false;
  Connect();
  std::vector<int> failed;
  std::vector<int> asked;
  for (int i = 0; i < 50; ++i) {
    asked.push_back(i);
    up().Ask("?", 10s, [&failed, i](Result<std::string>) { failed.push_back(i); });
  }
  RunUntil(loop_, [&] { return server_side_.responds.size() == asked.size(); });
  server_.reset();
  RunUntil(loop_, [&] { return failed.size() == asked.size(); });
  EXPECT_EQ(failed, asked);
}

TEST_F(LinkTest, ReplyComesBeforeTheEnvelopesSentAfterIt) {
  Connect();
  std::vector<std::string> order;
  server_side_.on_request = [](Link& link, const std::string&, LinkHandler::Respond respond) {
    respond(std::string(100000, 'b'));
    link.Send(MakeEnvelope("home", 1), {});
  };
  client_side_.on_envelope = [&](Link&, std::unique_ptr<Envelope>, Receipt) { order.push_back("envelope"); };
  up().Ask("bind", 5s, [&](Result<std::string>) { order.push_back("reply"); });
  RunUntil(loop_, [&] { return order.size() == 2; });
  EXPECT_EQ(order, (std::vector<std::string>{"reply", "envelope"}));
}

TEST_F(LinkTest, DrainingIsToldOnce) {
  Connect();
  server_->AnnounceDraining();
  RunUntil(loop_, [&] { return client_side_.draining == 1; });
  up().Send(MakeEnvelope("romeo@home", 1), {});
  RunUntil(loop_, [&] { return up().unacknowledged() == 0; });
  EXPECT_EQ(client_side_.draining, 1);
}

TEST_F(LinkTest, CloseSendsWhatGatheredFirst) {
  server_side_.hold = true;
  Connect();
  int settled = 0;
  for (int i = 1; i <= 3; ++i) {
    up().Send(MakeEnvelope("romeo@home", i), Receipt([&](RefusalReason) { ++settled; }));
  }
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 3; });
  server_side_.receipts.clear();
  down().Close();
  RunUntil(loop_, [&] { return client_side_.downs == 1 && server_side_.downs == 1; });
  EXPECT_EQ(settled, 3);
  EXPECT_TRUE(client_side_.held.empty());
}

// By then it may be dropped only because it is for another to do.
TEST_F(LinkTest, WhatIsDroppedAfterCloseIsNotAcknowledged) {
  server_side_.hold = true;
  Connect();
  bool settled = false;
  up().Send(MakeEnvelope("romeo@home", 1), Receipt([&](RefusalReason) { settled = true; }));
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 1; });
  down().Close();
  EXPECT_TRUE(server_side_.receipts.front().severed());
  server_side_.receipts.clear();
  RunUntil(loop_, [&] { return client_side_.downs == 1; });
  EXPECT_FALSE(settled);
  EXPECT_EQ(client_side_.held.size(), 1u);
}

TEST_F(LinkTest, WrongServiceIsHungUpOn) {
  StartServer();
  Dial({}, "roster");
  RunUntil(loop_, [&] { return server_side_.downs >= 1; });
  EXPECT_TRUE(client_side_.links.empty());
  EXPECT_EQ(client_side_.downs, 0);
}

TEST_F(LinkTest, SettledWhenAllSentBeforeIsAcknowledged) {
  server_side_.hold = true;
  Connect();
  up().Send(MakeEnvelope("romeo@home", 1), {});
  up().Send(MakeEnvelope("romeo@home", 2), {});
  bool settled = false;
  up().WhenSettled([&] { settled = true; });
  up().Send(MakeEnvelope("romeo@home", 3), {});
  RunUntil(loop_, [&] { return server_side_.receipts.size() == 3; });
  server_side_.receipts[1] = Receipt();
  RunUntil(loop_, [&] { return up().unacknowledged() == 2; });
  EXPECT_FALSE(settled);
  server_side_.receipts[0] = Receipt();
  RunUntil(loop_, [&] { return settled; });
  EXPECT_EQ(up().unacknowledged(), 1u);
}

TEST_F(LinkTest, MetricsSayWhatLinksDo) {
  telemetry::Metrics metrics;
  LinkOptions options;
  options.metrics = &metrics;
  StartServer();
  Dial(options);
  RunUntil(loop_, [&] { return client_side_.links.size() == 1 && server_side_.links.size() == 1; });
  for (int i = 1; i <= 10; ++i) up().Send(MakeEnvelope("romeo@home", i), {});
  bool answered = false;
  up().Ask("?", 5s, [&](Result<std::string>) { answered = true; });
  RunUntil(loop_, [&] { return answered && up().unacknowledged() == 0; });
  const std::string text = metrics.Text();
  for (const char* line : {"parley_link_settled_seconds_count{kind=\"message\",link=\"router\"} 1",
                           "parley_link_envelopes_total{direction=\"sent\",link=\"router\"} 10",
                           "parley_link_acks_total{direction=\"received\",link=\"router\"} 10",
                           "parley_link_up{link=\"router\"} 1", "parley_link_ask_seconds_count{link=\"router\"} 1",
                           "parley_link_unacknowledged_envelopes{link=\"router\"} 0"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
  client_.reset();
  EXPECT_NE(metrics.Text().find("parley_link_up{link=\"router\"} 0"), std::string::npos);
}

TEST_F(LinkTest, WhoDialsHearsThatNobodyIsThereAndMayDialAgainAtOnce) {
  LinkOptions slow;
  slow.reconnect_min = slow.reconnect_max = 1h;
  port_ = test::FreePort();
  Dial(slow);
  RunUntil(loop_, [&] { return client_side_.failed_dials == 1; });
  client_->Hurry();
  RunUntil(loop_, [&] { return client_side_.failed_dials == 2; });
  StartServer();
  client_->Hurry();
  client_->Hurry();  // it is dialling
  RunUntil(loop_, [&] { return client_side_.links.size() == 1 && server_side_.links.size() == 1; });
  EXPECT_EQ(client_side_.failed_dials, 2);
}

TEST_F(LinkTest, WhoDialsMayGiveUpADialThatIsStuck) {
  LinkOptions patient;
  patient.hello_timeout = patient.keepalive = 1h;
  patient.reconnect_max = 100ms;
  std::vector<int> accepted;
  auto deaf =
      std::make_unique<net::Listener>(loop_, "127.0.0.1:0", [&](int fd, const auto&) { accepted.push_back(fd); });
  port_ = deaf->port();
  Dial(patient);
  RunUntil(loop_, [&] { return accepted.size() == 1; });
  client_->Hurry();  // too soon
  deaf.reset();
  StartServer();
  RunFor(loop_, 50ms);
  EXPECT_TRUE(client_side_.links.empty());
  RunUntil(loop_, [&] {
    client_->Hurry();
    return client_side_.links.size() == 1;
  });
  for (const int fd : accepted) ::close(fd);
}

// Each process has its own loop: here on two threads, so that a thread sanitizer sees what they share.
TEST_F(LinkTest, LoopsOnTwoThreads) {
  Loop other_loop;
  Recorder other_side;
  std::unique_ptr<LinkClient> client;
  StartServer();
  std::thread other([&] {
    client = std::make_unique<LinkClient>(other_loop, Self{"c2s", "c2s-9", "e"}, "127.0.0.1:" + std::to_string(port_),
                                          LinkOptions(), other_side);
    RunUntil(other_loop, [&] { return other_side.links.size() == 1; });
    for (int i = 1; i <= 5000; ++i) other_side.links[0]->Send(MakeEnvelope("romeo@home", i), {});
    RunUntil(other_loop, [&] { return other_side.links[0]->unacknowledged() == 0; });
    client.reset();
  });
  RunUntil(loop_, [&] { return server_side_.downs == 1; });
  other.join();
  EXPECT_EQ(server_side_.got.size(), 5000u);
}

TEST_F(LinkTest, NobodyThereIsTriedAgain) {
  StartServer();
  server_.reset();
  Dial();
  RunFor(loop_, 100ms);
  StartServer();
  RunUntil(loop_, [&] { return client_side_.links.size() == 1; });
}

}  // namespace
}  // namespace parley::rpc

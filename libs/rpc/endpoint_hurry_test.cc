// Acknowledgements that nobody waits for, and what somebody says who comes to wait.
#include <gmock/gmock.h>

#include <algorithm>

#include "libs/rpc/endpoint_testing.h"

namespace parley::rpc::testing {
namespace {

class EndpointHurryTest : public EndpointTest {
 protected:
  // The peer knows what it is to hurry. Acknowledgements that somebody waits for go at once, others do not go by
  // themselves.
  static LinkOptions Unhurried() {
    LinkOptions options;
    options.ack_delay = options.busy_ack_delay = 0ms;
    options.idle_ack_delay = 1h;
    return options;
  }
  void UpUnhurried(LinkOptions options = Unhurried(), std::uint32_t window = 100) {
    Open(options);
    auto hello = Hello(kProtocols.newest, window);
    hello.mutable_hello()->set_hurries(true);
    Receive(std::move(hello));
    ASSERT_EQ(handler_.links.size(), 1u);
  }
  static Frame WithUnhurried(std::uint64_t first, int count, std::size_t bytes = 10) {
    Frame frame = WithEnvelopes(first, count);
    for (auto& envelope : *frame.mutable_envelopes()) {
      envelope.set_unhurried(true);
      envelope.set_stanza(std::string(bytes, 'x'));
    }
    return frame;
  }
  static Frame SayingHurry() {
    Frame frame;
    frame.set_hurry(true);
    return frame;
  }
  void SendUnhurried(std::uint64_t number) { endpoint_->Send(MakeEnvelope("juliet@home", number), NobodyWaits()); }
  void AwaitSent(int envelopes) {
    RunUntil(loop_, [&] { return transport_.All().envelopes_size() == envelopes; });
  }
  int Hurries() const {
    return static_cast<int>(std::count_if(transport_.written.begin(), transport_.written.end(),
                                          [](const Frame& frame) { return frame.hurry(); }));
  }
  // Time for what must not be sent.
  void Idle() { RunFor(loop_, 10ms); }
};

TEST_F(EndpointHurryTest, AcknowledgementThatNobodyWaitsForWaitsForCompany) {
  UpUnhurried();
  Receive(WithUnhurried(1, 2));
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 0);
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
  EXPECT_EQ(transport_.written.back().envelopes_size(), 1);
}

TEST_F(EndpointHurryTest, AcknowledgementThatNobodyWaitsForGoesInTheEnd) {
  LinkOptions options = Unhurried();
  options.idle_ack_delay = 5ms;
  UpUnhurried(options);
  Receive(WithUnhurried(1, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
}

TEST_F(EndpointHurryTest, AcknowledgementThatSomebodyWaitsForTakesTheOthersAlong) {
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  Idle();
  Receive(WithEnvelopes(2, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
}

TEST_F(EndpointHurryTest, PeerThatDoesNotKnowHurryIsAcknowledgedAsEver) {
  Up(Unhurried());
  Receive(WithUnhurried(1, 1));  // by one of a newer release, whose mark it passed on
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
  SendUnhurried(1);
  AwaitSent(1);
  EXPECT_FALSE(transport_.All().envelopes(0).unhurried());
  endpoint_->Hurry();
  Idle();
  EXPECT_EQ(Hurries(), 0);
}

TEST_F(EndpointHurryTest, HurryBringsWhatIsSettledAndWhatWillBe) {
  handler_.hold = true;
  UpUnhurried();
  Receive(WithUnhurried(1, 2));
  handler_.receipts.pop_back();
  Receive(SayingHurry());
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
  handler_.receipts.pop_back();
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
  Receive(WithUnhurried(3, 1));  // behind it
  handler_.receipts.pop_back();
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 2);
}

TEST_F(EndpointHurryTest, HurryIsPassedOnOnlyIfSomethingIsOpen) {
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  Receive(SayingHurry());
  EXPECT_EQ(handler_.hurried, 0);
  handler_.hold = true;
  Receive(WithUnhurried(2, 1));
  Receive(SayingHurry());
  EXPECT_EQ(handler_.hurried, 1);
}

TEST_F(EndpointHurryTest, WhatIsPassedOnAfterAHurryIsWaitedFor) {
  handler_.hold = true;
  UpUnhurried();
  Receive(WithUnhurried(1, 2));
  endpoint_->Send(MakeEnvelope("juliet@home", 1), handler_.receipts[0]);
  AwaitSent(1);
  Receive(SayingHurry());
  endpoint_->Send(MakeEnvelope("juliet@home", 2), handler_.receipts[1]);
  AwaitSent(2);
  EXPECT_TRUE(transport_.All().envelopes(0).unhurried());
  EXPECT_FALSE(transport_.All().envelopes(1).unhurried());
}

TEST_F(EndpointHurryTest, MarkIsOfOneLinkOnly) {
  std::unique_ptr<Envelope> got;
  handler_.on_envelope = [&](Link&, std::unique_ptr<Envelope> envelope, Receipt) { got = std::move(envelope); };
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->unhurried());
  got->set_unhurried(true);
  endpoint_->Send(std::move(got), {});
  AwaitSent(1);
  EXPECT_FALSE(transport_.All().envelopes(0).unhurried());
}

TEST_F(EndpointHurryTest, HurrySaysSoOnce) {
  UpUnhurried();
  SendUnhurried(1);
  AwaitSent(1);
  EXPECT_EQ(Hurries(), 0);
  endpoint_->Hurry();
  endpoint_->Hurry();
  RunUntil(loop_, [&] { return Hurries() == 1; });
  endpoint_->Hurry();
  Idle();
  EXPECT_EQ(Hurries(), 1);
  SendUnhurried(2);
  AwaitSent(2);
  EXPECT_EQ(Hurries(), 1);
  endpoint_->Hurry();
  RunUntil(loop_, [&] { return Hurries() == 2; });
}

TEST_F(EndpointHurryTest, HurryWithoutNeedSaysNothing) {
  UpUnhurried();
  endpoint_->Hurry();
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});  // somebody waits anyway
  AwaitSent(1);
  endpoint_->Hurry();
  SendUnhurried(2);
  AwaitSent(2);
  Receive(WithAck(1));
  Receive(WithAck(2));
  endpoint_->Hurry();
  Idle();
  EXPECT_EQ(Hurries(), 0);
}

// Of two that were passed on, one came from a link that hurries.
TEST_F(EndpointHurryTest, HurryIsPassedOnForWhatCameByThatLink) {
  handler_.hold = true;
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  SendUnhurried(1);
  AwaitSent(1);
  endpoint_->HurryOn();
  Idle();
  EXPECT_EQ(Hurries(), 0);
  endpoint_->Send(MakeEnvelope("juliet@home", 2), handler_.receipts[0]);
  AwaitSent(2);
  Receive(SayingHurry());
  endpoint_->HurryOn();
  RunUntil(loop_, [&] { return Hurries() == 1; });
  endpoint_->HurryOn();
  Idle();
  EXPECT_EQ(Hurries(), 1);
}

TEST_F(EndpointHurryTest, HurryIsPassedOnForWhatIsQueued) {
  handler_.hold = true;
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  transport_.stuck = true;
  SendUnhurried(1);
  AwaitSent(1);
  endpoint_->Send(MakeEnvelope("juliet@home", 2), handler_.receipts[0]);
  Receive(SayingHurry());
  endpoint_->HurryOn();
  transport_.stuck = false;
  endpoint_->OnWritten();
  AwaitSent(2);
  RunUntil(loop_, [&] { return Hurries() == 1; });
}

TEST_F(EndpointHurryTest, HurryGoesWithWhatIsQueued) {
  UpUnhurried(Unhurried(), 4);
  for (int i = 1; i <= 3; ++i) SendUnhurried(i);
  AwaitSent(3);
  transport_.stuck = true;
  endpoint_->Send(MakeEnvelope("juliet@home", 4), {});
  AwaitSent(4);
  SendUnhurried(5);
  endpoint_->Hurry();
  transport_.stuck = false;
  endpoint_->OnWritten();
  RunUntil(loop_, [&] { return Hurries() == 1; });
  EXPECT_EQ(transport_.All().envelopes_size(), 4);
  Receive(WithAck(1));
  AwaitSent(5);
  EXPECT_TRUE(transport_.written.back().hurry());
}

TEST_F(EndpointHurryTest, FullWindowHurries) {
  UpUnhurried(Unhurried(), 3);
  for (int i = 1; i <= 2; ++i) SendUnhurried(i);
  AwaitSent(2);
  EXPECT_EQ(Hurries(), 0);
  SendUnhurried(3);
  AwaitSent(3);
  EXPECT_EQ(Hurries(), 1);
}

TEST_F(EndpointHurryTest, WaitingUntilAllIsSettledHurries) {
  UpUnhurried();
  SendUnhurried(1);
  AwaitSent(1);
  endpoint_->WhenSettled([] {});
  RunUntil(loop_, [&] { return Hurries() == 1; });
}

TEST_F(EndpointHurryTest, ManyOrLargeStanzasAreAcknowledgedAtOnce) {
  UpUnhurried();
  Receive(WithUnhurried(1, 63));
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 0);
  Receive(WithUnhurried(64, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 64; });
  Receive(WithUnhurried(65, 1, 200'000));
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 64);
  Receive(WithUnhurried(66, 1, 100'000));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 66; });
}

TEST_F(EndpointHurryTest, HowManyThatAreIsSet) {
  LinkOptions options = Unhurried();
  options.metrics = &metrics_;
  options.ack_stanzas = 3;
  options.ack_bytes = 1000;
  UpUnhurried(options);
  const auto gathered = [this](int times) {
    return metrics_.Text().find("parley_link_acks_gathered_total{link=\"peer\"} " + std::to_string(times) + "\n") !=
           std::string::npos;
  };
  Receive(WithUnhurried(1, 2));
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 0);
  EXPECT_TRUE(gathered(0));
  Receive(WithUnhurried(3, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 3; });
  EXPECT_TRUE(gathered(1));
  Receive(WithUnhurried(4, 1, 1000));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 4; });
  EXPECT_TRUE(gathered(2));
}

TEST_F(EndpointHurryTest, WhoStopsAcknowledgesSoon) {
  UpUnhurried();
  endpoint_->AnnounceDraining();
  RunUntil(loop_, [&] { return transport_.All().draining(); });
  Receive(WithUnhurried(1, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
}

TEST_F(EndpointHurryTest, SomeThatNobodyWaitsForAreTimed) {
  LinkOptions options = Unhurried();
  options.metrics = &metrics_;
  UpUnhurried(options);
  for (int i = 1; i <= 40; ++i) SendUnhurried(i);
  AwaitSent(40);
  const Frame all = transport_.All();
  const auto timed = [](const Envelope& envelope) { return !envelope.unhurried(); };
  EXPECT_EQ(std::count_if(all.envelopes().begin(), all.envelopes().end(), timed), 1);
  for (int i = 1; i <= 40; ++i) Receive(WithAck(i));
  EXPECT_THAT(metrics_.Text(),
              ::testing::HasSubstr("parley_link_settled_seconds_count{kind=\"message\",link=\"peer\"} 1\n"));
}

}  // namespace
}  // namespace parley::rpc::testing

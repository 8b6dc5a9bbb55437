// What a peer may do wrong, and what we answer.
#include <gmock/gmock.h>

#include "libs/base/version.h"
#include "libs/rpc/endpoint_testing.h"

namespace parley::rpc::testing {
namespace {

TEST_F(EndpointTest, HelloIsTheFirstFrameAndAlone) {
  Open();
  ASSERT_EQ(transport_.written.size(), 1u);
  const auto& hello = transport_.written[0].hello();
  EXPECT_EQ(hello.protocol(), kProtocols.newest);
  EXPECT_EQ(hello.oldest_protocol(), kProtocols.oldest);
  EXPECT_EQ(hello.version(), Version());
  EXPECT_EQ(hello.service(), "router");
  EXPECT_EQ(hello.window(), LinkOptions().window);
}

TEST_F(EndpointTest, NothingIsSentBeforeThePeersHello) {
  Open();
  RunFor(loop_, 10ms);
  EXPECT_EQ(transport_.written.size(), 1u);
  EXPECT_TRUE(handler_.links.empty());
}

TEST_F(EndpointTest, PeerWithoutHelloInTimeIsHungUpOn) {
  LinkOptions options;
  options.hello_timeout = 20ms;
  Open(options);
  RunUntil(loop_, [&] { return transport_.aborted.has_value(); });
}

TEST_F(EndpointTest, FirstFrameMustBeAHello) {
  Open();
  Receive(WithEnvelopes(1, 1));
  EXPECT_TRUE(transport_.aborted);
  EXPECT_TRUE(handler_.got.empty());
}

TEST_F(EndpointTest, NeighbouringProtocolsAreAccepted) {
  Open();
  Receive(Hello(kProtocols.newest + 1));
  EXPECT_FALSE(transport_.aborted);
  ASSERT_EQ(handler_.links.size(), 1u);
  EXPECT_EQ(endpoint_->peer().protocol, kProtocols.newest);
}

TEST_F(EndpointTest, APeerIsSpokenToAsItSaysThatItUnderstands) {
  Open();
  Frame hello = Hello(kProtocols.newest + 5);
  hello.mutable_hello()->set_oldest_protocol(kProtocols.newest);
  hello.mutable_hello()->set_version("9.0.0");
  Receive(hello);
  ASSERT_EQ(handler_.links.size(), 1u);
  EXPECT_EQ(endpoint_->peer().protocol, kProtocols.newest);
  EXPECT_EQ(endpoint_->peer().version, "9.0.0");
}

TEST_F(EndpointTest, FarProtocolIsHungUpOn) {
  Open();
  Receive(Hello(kProtocols.newest + 2));
  ASSERT_TRUE(transport_.aborted);
  EXPECT_THAT(*transport_.aborted, ::testing::HasSubstr("one release at a time"));
  EXPECT_TRUE(handler_.links.empty());
}

TEST_F(EndpointTest, HelloWithoutANameIsHungUpOn) {
  Open();
  Frame hello = Hello();
  hello.mutable_hello()->clear_instance();
  Receive(hello);
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, HelloWithAnEndlessNameIsHungUpOn) {
  Open();
  Frame hello = Hello();
  hello.mutable_hello()->set_instance(std::string(100'000, 'x'));
  Receive(hello);
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, WrongServiceIsHungUpOn) {
  Open({}, "roster");
  Receive(Hello());
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, SecondHelloIsAViolation) {
  Up();
  Receive(Hello());
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, GarbageIsAViolation) {
  Up();
  endpoint_->OnGarbage("what came is no frame");
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, AcknowledgementOfWhatWasNeverSentIsAViolation) {
  Up();
  Receive(WithAck(1));
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, SecondAcknowledgementIsAViolation) {
  Up();
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  RunUntil(loop_, [&] { return transport_.All().envelopes_size() == 1; });
  Receive(WithAck(1));
  EXPECT_FALSE(transport_.aborted);
  Receive(WithAck(1));
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, AcknowledgementOfWhatStillWaitsIsAViolation) {
  Up({}, 1);
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  endpoint_->Send(MakeEnvelope("juliet@home", 2), {});
  RunUntil(loop_, [&] { return transport_.All().envelopes_size() == 1; });
  Receive(WithAck(2));
  EXPECT_TRUE(transport_.aborted);
}

TEST_F(EndpointTest, GapInTheNumbersIsAViolation) {
  Up();
  Receive(WithEnvelopes(1, 2));
  Receive(WithEnvelopes(4, 1));
  EXPECT_TRUE(transport_.aborted);
  EXPECT_EQ(handler_.got.size(), 2u);
}

TEST_F(EndpointTest, NothingIsTakenAfterAViolationUntilTheStreamIsGone) {
  Up();
  Receive(WithEnvelopes(2, 1));
  ASSERT_TRUE(transport_.aborted);
  Receive(WithEnvelopes(1, 1));
  EXPECT_TRUE(handler_.got.empty());
  EXPECT_EQ(handler_.downs, 0);
  endpoint_->OnBroken("cancelled");
  EXPECT_EQ(handler_.downs, 1);
  EXPECT_TRUE(ended_);
}

TEST_F(EndpointTest, MoreThanTheWindowIsAViolation) {
  LinkOptions options;
  options.window = 3;
  handler_.hold = true;
  Up(options);
  Receive(WithEnvelopes(1, 4));
  EXPECT_TRUE(transport_.aborted);
  EXPECT_EQ(handler_.got.size(), 3u);
}

TEST_F(EndpointTest, ToldAcknowledgementsOpenTheWindow) {
  LinkOptions options;
  options.window = 3;
  Up(options);
  Receive(WithEnvelopes(1, 3));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 3; });
  Receive(WithEnvelopes(4, 3));
  EXPECT_FALSE(transport_.aborted);
  EXPECT_EQ(handler_.got.size(), 6u);
}

TEST_F(EndpointTest, AcknowledgementRidesWithTheNextFrame) {
  LinkOptions options;
  options.ack_delay = 10s;
  Up(options);
  Receive(WithEnvelopes(1, 1));
  RunFor(loop_, 20ms);
  EXPECT_EQ(transport_.All().acks_size(), 0);
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  RunUntil(loop_, [&] { return transport_.All().envelopes_size() == 1; });
  EXPECT_EQ(transport_.written.back().acks_size(), 1);
}

TEST_F(EndpointTest, AcknowledgementWaitsLongerWhereSomethingElseWasSentLately) {
  LinkOptions options;
  options.ack_delay = 1ms;
  options.busy_ack_delay = 10s;
  Up(options);
  Receive(WithEnvelopes(1, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  RunUntil(loop_, [&] { return transport_.All().envelopes_size() == 1; });
  Receive(WithEnvelopes(2, 1));
  RunFor(loop_, 20ms);
  EXPECT_EQ(transport_.All().acks_size(), 1);
  endpoint_->Send(MakeEnvelope("juliet@home", 2), {});
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
  EXPECT_EQ(transport_.written.back().envelopes_size(), 1);
}

TEST_F(EndpointTest, ManyAcknowledgementsDoNotWait) {
  LinkOptions options;
  options.ack_delay = 10s;
  Up(options);
  Receive(WithEnvelopes(1, 64));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 64; });
}

// ---- batches

TEST_F(EndpointTest, WhatGathersDuringAWriteIsTheNextBatch) {
  Up();
  RunFor(loop_, 5ms);
  transport_.stuck = true;
  const auto before = transport_.written.size();
  for (int i = 1; i <= 10; ++i) {
    endpoint_->Send(MakeEnvelope("juliet@home", i), {});
    RunFor(loop_, 1ms);
  }
  ASSERT_EQ(transport_.written.size(), before + 1);
  transport_.stuck = false;
  endpoint_->OnWritten();
  RunUntil(loop_, [&] { return transport_.written.size() == before + 2; });
  EXPECT_EQ(transport_.written.back().envelopes_size(), 9);
}

TEST_F(EndpointTest, BatchHasALimit) {
  LinkOptions options;
  options.batch = 4;
  Up(options);
  for (int i = 1; i <= 10; ++i) endpoint_->Send(MakeEnvelope("juliet@home", i), {});
  RunUntil(loop_, [&] { return transport_.All().envelopes_size() == 10; });
  for (const auto& frame : transport_.written) EXPECT_LE(frame.envelopes_size(), 4);
}

TEST_F(EndpointTest, LateAcknowledgementAmongManyIsFound) {
  Up({}, 10);
  bool settled = false;
  endpoint_->Send(MakeEnvelope("juliet@home", 1), Receipt([&](RefusalReason) { settled = true; }));
  for (std::uint64_t i = 2; i <= 1000; ++i) {
    endpoint_->Send(MakeEnvelope("juliet@home", i), {});
    RunUntil(loop_, [&] {
      return transport_.written.back().envelopes_size() > 0 &&
             transport_.written.back().envelopes().rbegin()->seq() == i;
    });
    Receive(WithAck(i));
    ASSERT_FALSE(transport_.aborted);
  }
  EXPECT_FALSE(settled);
  EXPECT_EQ(endpoint_->unacknowledged(), 1u);
  Receive(WithAck(1));
  EXPECT_TRUE(settled);
}

TEST_F(EndpointTest, SentAfterTheEndIsRefused) {
  Up();
  endpoint_->OnBroken("gone");
  RefusalReason reason = link::v1::REFUSAL_REASON_UNSPECIFIED;
  endpoint_->Send(MakeEnvelope("juliet@home", 1), Receipt([&](RefusalReason refusal) { reason = refusal; }));
  EXPECT_EQ(reason, link::v1::REFUSAL_REASON_DRAINING);
}

TEST_F(EndpointTest, TooManyRequestsFailAtOnce) {
  LinkOptions options;
  options.max_asks = 1;
  Up(options);
  int failed = 0;
  const auto count = [&](Result<std::string> answer) { failed += answer ? 0 : 1; };
  endpoint_->Ask("one", 10s, count);
  endpoint_->Ask("two", 10s, count);
  RunUntil(loop_, [&] { return failed == 1; });
}

TEST_F(EndpointTest, ReplyToNoRequestIsIgnored) {
  Up();
  Frame frame;
  frame.add_replies()->set_id(77);
  Receive(frame);
  EXPECT_FALSE(transport_.aborted);
}

TEST_F(EndpointTest, APeerThatJoinsOrDrainsIsToldWhenItIsYieldedTo) {
  int yielded = 0;
  Open();
  endpoint_->AnnounceJoining([&] { ++yielded; });
  Frame hello = Hello();
  hello.mutable_hello()->set_changes_over(true);
  Receive(hello);
  RunUntil(loop_, [&] { return transport_.All().joining(); });
  EXPECT_EQ(yielded, 0);
  Frame frame;
  frame.set_yielded(true);
  Receive(frame);
  Receive(frame);
  EXPECT_EQ(yielded, 1);
}

TEST_F(EndpointTest, APeerOfAFormerReleaseIsNotWaitedFor) {
  int yielded = 0;
  Open();
  endpoint_->AnnounceJoining([&] { ++yielded; });
  EXPECT_EQ(yielded, 0);
  Receive(Hello());
  EXPECT_EQ(yielded, 1);
  endpoint_->AnnounceDraining([&] { ++yielded; });
  EXPECT_EQ(yielded, 2);
}

}  // namespace
}  // namespace parley::rpc::testing

#include "libs/rpc/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "libs/base/version.h"
#include "libs/rpc/protocol.h"
#include "libs/rpc/testing.h"
#include "libs/telemetry/metrics.h"

// What a peer may do wrong, and what we answer; no gRPC.
namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using link::v1::Frame;
using testing::MakeEnvelope;
using testing::NobodyWaits;
using testing::Recorder;
using testing::RunFor;
using testing::RunUntil;

// Keeps what is written; a write ends when the test says so.
class FakeTransport : public Transport {
 public:
  explicit FakeTransport(Loop& loop) : loop_(loop) {}
  void Write(const Frame& frame) override {
    Frame copy;
    copy.ParseFromString(frame.SerializeAsString());
    written.push_back(std::move(copy));
    if (stuck) return;
    loop_.Post([this] {
      if (events != nullptr) events->OnWritten();
    });
  }
  void Finish() override { finished = true; }
  void Abort(const std::string& reason) override {
    if (!aborted) aborted = reason;
  }
  void Detach() override { events = nullptr; }

  // All envelopes, acks and so on that were written.
  Frame All() const {
    Frame all;
    for (const auto& frame : written) all.MergeFrom(frame);
    return all;
  }

  TransportEvents* events = nullptr;
  std::vector<Frame> written;
  bool stuck = false;
  bool finished = false;
  std::optional<std::string> aborted;

 private:
  Loop& loop_;
};

class EndpointTest : public ::testing::Test {
 protected:
  void Open(LinkOptions options = {}, const std::string& expected_service = {}) {
    auto role = std::make_shared<Endpoint::Role>();
    role->self = {"router", "router-1", "e1"};
    role->options = options;
    role->metrics = LinkMetrics::Make(options.metrics, "peer");
    role->expected_service = expected_service;
    endpoint_ = std::make_shared<Endpoint>(loop_, role, handler_, [this](const std::string&) { ended_ = true; });
    transport_.events = endpoint_.get();
    endpoint_->Attach(transport_);
    endpoint_->OnOpen("here");
  }
  static Frame Hello(std::uint32_t protocol = kProtocols.newest, std::uint32_t window = 100) {
    Frame frame;
    auto& hello = *frame.mutable_hello();
    hello.set_protocol(protocol);
    hello.set_service("c2s");
    hello.set_instance("c2s-1");
    hello.set_epoch("e2");
    hello.set_window(window);
    hello.set_window_bytes(1 << 20);
    return frame;
  }
  void Up(LinkOptions options = {}, std::uint32_t window = 100) {
    Open(options);
    Receive(Hello(kProtocols.newest, window));
    ASSERT_EQ(handler_.links.size(), 1u);
  }
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
  void Receive(Frame frame) { endpoint_->OnFrame(frame, frame.ByteSizeLong()); }
  static Frame WithEnvelopes(std::uint64_t first, int count) {
    Frame frame;
    for (int i = 0; i < count; ++i) {
      auto envelope = MakeEnvelope("romeo@home", first + i);
      envelope->set_seq(first + i);
      frame.mutable_envelopes()->AddAllocated(envelope.release());
    }
    return frame;
  }
  static Frame WithAck(std::uint64_t seq) {
    Frame frame;
    frame.add_acks(seq);
    return frame;
  }

  telemetry::Metrics metrics_;
  Loop loop_;
  Recorder handler_;
  FakeTransport transport_{loop_};
  std::shared_ptr<Endpoint> endpoint_;
  bool ended_ = false;
};

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

// ---- who waits, and who does not

TEST_F(EndpointTest, AcknowledgementThatNobodyWaitsForWaitsForCompany) {
  UpUnhurried();
  Receive(WithUnhurried(1, 2));
  Idle();
  EXPECT_EQ(transport_.All().acks_size(), 0);
  endpoint_->Send(MakeEnvelope("juliet@home", 1), {});
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
  EXPECT_EQ(transport_.written.back().envelopes_size(), 1);
}

TEST_F(EndpointTest, AcknowledgementThatNobodyWaitsForGoesInTheEnd) {
  LinkOptions options = Unhurried();
  options.idle_ack_delay = 5ms;
  UpUnhurried(options);
  Receive(WithUnhurried(1, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
}

TEST_F(EndpointTest, AcknowledgementThatSomebodyWaitsForTakesTheOthersAlong) {
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  Idle();
  Receive(WithEnvelopes(2, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 2; });
}

TEST_F(EndpointTest, PeerThatDoesNotKnowHurryIsAcknowledgedAsEver) {
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

TEST_F(EndpointTest, HurryBringsWhatIsSettledAndWhatWillBe) {
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

TEST_F(EndpointTest, HurryIsPassedOnOnlyIfSomethingIsOpen) {
  UpUnhurried();
  Receive(WithUnhurried(1, 1));
  Receive(SayingHurry());
  EXPECT_EQ(handler_.hurried, 0);
  handler_.hold = true;
  Receive(WithUnhurried(2, 1));
  Receive(SayingHurry());
  EXPECT_EQ(handler_.hurried, 1);
}

TEST_F(EndpointTest, WhatIsPassedOnAfterAHurryIsWaitedFor) {
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

TEST_F(EndpointTest, MarkIsOfOneLinkOnly) {
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

TEST_F(EndpointTest, HurrySaysSoOnce) {
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

TEST_F(EndpointTest, HurryWithoutNeedSaysNothing) {
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

TEST_F(EndpointTest, HurryGoesWithWhatIsQueued) {
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

TEST_F(EndpointTest, FullWindowHurries) {
  UpUnhurried(Unhurried(), 3);
  for (int i = 1; i <= 2; ++i) SendUnhurried(i);
  AwaitSent(2);
  EXPECT_EQ(Hurries(), 0);
  SendUnhurried(3);
  AwaitSent(3);
  EXPECT_EQ(Hurries(), 1);
}

TEST_F(EndpointTest, WaitingUntilAllIsSettledHurries) {
  UpUnhurried();
  SendUnhurried(1);
  AwaitSent(1);
  endpoint_->WhenSettled([] {});
  RunUntil(loop_, [&] { return Hurries() == 1; });
}

TEST_F(EndpointTest, ManyOrLargeStanzasAreAcknowledgedAtOnce) {
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

TEST_F(EndpointTest, WhoStopsAcknowledgesSoon) {
  UpUnhurried();
  endpoint_->AnnounceDraining();
  RunUntil(loop_, [&] { return transport_.All().draining(); });
  Receive(WithUnhurried(1, 1));
  RunUntil(loop_, [&] { return transport_.All().acks_size() == 1; });
}

TEST_F(EndpointTest, SomeThatNobodyWaitsForAreTimed) {
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

}  // namespace
}  // namespace parley::rpc

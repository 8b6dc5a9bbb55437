#include "libs/rpc/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/tracing/testing.h"
#include "parley/roster/v1/roster.pb.h"

namespace parley::rpc {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Pair;

class TraceTest : public ::testing::Test {
 protected:
  TraceTest() {
    envelope_.set_kind(link::v1::KIND_MESSAGE);
    envelope_.set_type(link::v1::TYPE_CHAT);
    envelope_.set_trace(parent_.traceparent());
  }

  const tracing::Context parent_ = tracing::Context::Root();
  const std::shared_ptr<tracing::MemorySink> sink_ = std::make_shared<tracing::MemorySink>();
  tracing::Tracer tracer_{1, sink_};
  int settled_ = 0;
  Receipt receipt_{[this](RefusalReason) { ++settled_; }};
  Envelope envelope_;
};

TEST_F(TraceTest, ASpanEndsWhenTheReceiptIsSettled) {
  Follow(tracer_, "route", envelope_, receipt_);
  const auto passed_on = tracing::Context::Parse(envelope_.trace());
  Receipt copy = receipt_;
  NoteOutcome(copy, "delivered");
  receipt_ = Receipt();
  EXPECT_THAT(sink_->spans, IsEmpty());
  copy = Receipt();
  EXPECT_EQ(settled_, 1);
  ASSERT_EQ(sink_->spans.size(), 1u);
  const auto& span = sink_->spans[0];
  EXPECT_EQ(span.name, "route message");
  EXPECT_EQ(span.context.trace_id, parent_.trace_id);
  EXPECT_EQ(span.parent, parent_.span_id);
  EXPECT_EQ(span.context.span_id, passed_on->span_id);
  EXPECT_THAT(span.attributes, Contains(Pair("parley.stanza.kind", "message")));
  EXPECT_THAT(span.attributes, Contains(Pair("parley.stanza.type", "chat")));
  EXPECT_THAT(span.attributes, Contains(Pair("parley.outcome", "delivered")));
  EXPECT_FALSE(span.error);
}

TEST_F(TraceTest, ARefusalIsAnError) {
  Follow(tracer_, "deliver", envelope_, receipt_);
  receipt_.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  EXPECT_EQ(sink_->spans.at(0).error, "REFUSAL_REASON_NO_SESSION");
}

TEST_F(TraceTest, SoIsAnEndInBetween) {
  Follow(tracer_, "deliver", envelope_, receipt_);
  receipt_.Abandon();
  EXPECT_EQ(sink_->spans.at(0).error, "abandoned");
  EXPECT_EQ(settled_, 0);
}

TEST_F(TraceTest, WhatIsNotTracedHasNoSpan) {
  envelope_.clear_trace();
  Follow(tracer_, "route", envelope_, receipt_);
  EXPECT_EQ(receipt_.span(), nullptr);
  EXPECT_EQ(envelope_.trace(), "");
  receipt_ = Receipt();
  EXPECT_THAT(sink_->spans, IsEmpty());
}

TEST_F(TraceTest, WhoDoesNotTracePassesOnWhatCame) {
  const tracing::Tracer none(0, nullptr);
  Follow(none, "route", envelope_, receipt_);
  EXPECT_EQ(receipt_.span(), nullptr);
  EXPECT_EQ(envelope_.trace(), parent_.traceparent());
}

TEST_F(TraceTest, APeersNonsenseIsNotFollowed) {
  envelope_.set_trace("00-nonsense");
  Follow(tracer_, "route", envelope_, receipt_);
  EXPECT_EQ(receipt_.span(), nullptr);
}

TEST_F(TraceTest, AsksCarryIt) {
  roster::v1::Ask ask;
  PassTrace(envelope_, ask);
  EXPECT_EQ(ask.trace(), envelope_.trace());
}

TEST_F(TraceTest, ATraceStartsWithItsOwnSpan) {
  envelope_.clear_trace();
  auto root = StartTrace(tracer_, "receive", envelope_);
  EXPECT_EQ(envelope_.trace(), root->traceparent());
  root.reset();
  EXPECT_EQ(sink_->spans.at(0).name, "receive message");
  EXPECT_EQ(sink_->spans.at(0).parent, "");
}

}  // namespace
}  // namespace parley::rpc

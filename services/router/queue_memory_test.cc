#include "services/router/queue_memory.h"

#include <gtest/gtest.h>

#include "libs/base/ids.h"

namespace parley::router {
namespace {

link::v1::Envelope From(const std::string& origin, std::uint64_t seq) {
  link::v1::Envelope envelope;
  envelope.set_origin(origin);
  envelope.set_origin_seq(seq);
  return envelope;
}

TEST(QueueMemoryTest, KnowsWhatTheQueueHolds) {
  session::QueueContents contents;
  *contents.stanzas.emplace_back().mutable_envelope() = From("juliet", 5);
  contents.stanzas.emplace_back().mutable_envelope()->set_answers(3);
  const QueueMemory memory(contents);
  EXPECT_TRUE(memory.Has(From("juliet", 5)));
  EXPECT_FALSE(memory.Has(From("juliet", 4)));
  EXPECT_FALSE(memory.Has(From("nurse", 5)));
  link::v1::Envelope answer;
  EXPECT_FALSE(memory.Has(answer));  // has no identity
  answer.set_answers(3);
  EXPECT_TRUE(memory.Has(answer));
}

// The numbers of an origin go to many sessions: that a higher one was acknowledged says nothing of a lower one.
TEST(QueueMemoryTest, KnowsExactlyWhatWasAcknowledged) {
  session::QueueContents contents;
  auto& seen = *contents.header.add_seen();
  seen.set_origin(StableHash("juliet"));
  seen.set_seq(9);
  seen.set_window(0b1001);  // 8 and 5
  const QueueMemory memory(contents);
  for (const std::uint64_t seq : {5u, 8u, 9u}) EXPECT_TRUE(memory.Has(From("juliet", seq))) << seq;
  for (const std::uint64_t seq : {1u, 4u, 6u, 7u, 10u}) EXPECT_FALSE(memory.Has(From("juliet", seq))) << seq;
  EXPECT_FALSE(memory.Has(From("nurse", 9)));
}

TEST(QueueMemoryTest, WhatIsFarBelowCountsAsNotSeen) {
  session::QueueContents contents;
  auto& seen = *contents.header.add_seen();
  seen.set_origin(StableHash("juliet"));
  seen.set_seq(1000);
  seen.set_window(~0ull);
  const QueueMemory memory(contents);
  EXPECT_TRUE(memory.Has(From("juliet", 936)));
  EXPECT_FALSE(memory.Has(From("juliet", 935)));
}

}  // namespace
}  // namespace parley::router

#include "libs/session/acknowledged.h"

#include <gtest/gtest.h>

namespace parley::session {
namespace {

constexpr std::uint32_t kBlocks = 4;

TEST(AcknowledgedTest, KnowsOnlyWhatWasNoted) {
  v1::Seen seen;
  for (const std::uint64_t number : {1u, 63u, 64u, 130u, 3u}) NoteAcknowledged(seen, number, kBlocks);
  for (std::uint64_t number = 0; number < 200; ++number) {
    const bool noted = number == 1 || number == 3 || number == 63 || number == 64 || number == 130;
    EXPECT_EQ(HasAcknowledged(seen, number), noted) << number;
  }
}

TEST(AcknowledgedTest, KnowsTheLatestAtOnce) {
  v1::Seen seen;
  EXPECT_EQ(LatestAcknowledged(seen), 0u);
  for (const std::uint64_t number : {3u, 6u, 67u, 69u}) NoteAcknowledged(seen, number, kBlocks);
  seen.set_seq(5);
  EXPECT_EQ(LatestAcknowledged(seen), 0b100u);
  seen.set_seq(69);
  EXPECT_EQ(LatestAcknowledged(seen), 0b101u | std::uint64_t{1} << 63);
}

TEST(AcknowledgedTest, KnowsTheLatestCopies) {
  v1::Seen copies;
  for (const std::uint64_t number : {3u, 6u, 130u, 128u}) NoteAcknowledged(copies, number, kBlocks);
  EXPECT_EQ(Highest(copies), 130u);
  EXPECT_EQ(LatestAcknowledged(copies), 0b101u);
}

TEST(AcknowledgedTest, OfWhatIsOlderThanItsBlocksItKnowsNothing) {
  v1::Seen seen;
  seen.set_seq(300);
  EXPECT_EQ(UnknownUpTo(seen, nullptr), 300u);
  for (const std::uint64_t number : {299u, 290u, 130u}) NoteAcknowledged(seen, number, kBlocks);
  EXPECT_EQ(UnknownUpTo(seen, nullptr), 127u);
  v1::Seen copies;
  EXPECT_EQ(UnknownUpTo(seen, &copies), 127u);
  NoteAcknowledged(copies, 200, kBlocks);
  EXPECT_EQ(UnknownUpTo(seen, &copies), 191u);
  NoteAcknowledged(copies, 5, kBlocks);
  NoteAcknowledged(seen, 6, kBlocks);
  EXPECT_EQ(UnknownUpTo(seen, &copies), 0u);
}

TEST(AcknowledgedTest, ForgetsTheOldestBlock) {
  v1::Seen seen;
  for (std::uint64_t number = 0; number < 64 * kBlocks; ++number) {
    EXPECT_TRUE(NoteAcknowledged(seen, number, kBlocks)) << number;
  }
  EXPECT_FALSE(NoteAcknowledged(seen, 64 * kBlocks, kBlocks)) << "the first block is forgotten for it";
  EXPECT_EQ(seen.block_size(), kBlocks);
  EXPECT_FALSE(HasAcknowledged(seen, 63));
  for (std::uint64_t number = 64; number <= 64 * kBlocks; ++number) {
    EXPECT_TRUE(HasAcknowledged(seen, number)) << number;
  }
  EXPECT_FALSE(HasAcknowledged(seen, 64 * kBlocks + 1));
}

TEST(AcknowledgedTest, ForgetsTheLowestAlsoIfItCameLate) {
  v1::Seen seen;
  for (const std::uint64_t block : {5u, 6u, 8u, 9u}) EXPECT_TRUE(NoteAcknowledged(seen, 64 * block, kBlocks));
  EXPECT_FALSE(NoteAcknowledged(seen, 64 * 3, kBlocks));
  EXPECT_FALSE(HasAcknowledged(seen, 64 * 3));
  EXPECT_FALSE(NoteAcknowledged(seen, 64 * 7, kBlocks));
  EXPECT_FALSE(HasAcknowledged(seen, 64 * 5));
  for (const std::uint64_t block : {6u, 7u, 8u, 9u}) EXPECT_TRUE(HasAcknowledged(seen, 64 * block)) << block;
}

// The setting may have been higher where the session was before.
TEST(AcknowledgedTest, ForgetsAllThatIsTooMuch) {
  v1::Seen seen;
  for (std::uint64_t number = 0; number < 64 * kBlocks; ++number) NoteAcknowledged(seen, number, kBlocks);
  EXPECT_FALSE(NoteAcknowledged(seen, 64 * kBlocks, 2));
  EXPECT_EQ(seen.block_size(), 2);
  EXPECT_EQ(seen.acknowledged_size(), 2);
  EXPECT_TRUE(HasAcknowledged(seen, 64 * kBlocks));
  EXPECT_TRUE(HasAcknowledged(seen, 64 * kBlocks - 1));
  EXPECT_FALSE(HasAcknowledged(seen, 64 * kBlocks - 65));
}

// A release that does not know the blocks goes on with the highest number, and leaves them as they are.
TEST(AcknowledgedTest, DoesNotDependOnTheHighestNumber) {
  v1::Seen seen;
  NoteAcknowledged(seen, 7, kBlocks);
  seen.set_seq(500);
  EXPECT_TRUE(HasAcknowledged(seen, 7));
  EXPECT_FALSE(HasAcknowledged(seen, 500));
}

TEST(AcknowledgedTest, WhatDoesNotFitTogetherSaysNothing) {
  v1::Seen seen;
  seen.add_block(0);
  EXPECT_FALSE(HasAcknowledged(seen, 0));
  NoteAcknowledged(seen, 1, kBlocks);
  EXPECT_FALSE(HasAcknowledged(seen, 0));
  EXPECT_TRUE(HasAcknowledged(seen, 1));
}

TEST(AcknowledgedTest, TakesOfAHeaderWhatIsKnownAndNotTooOld) {
  v1::QueueHeader header;
  for (const std::int64_t at : {10, 20, 30}) {
    auto& seen = *header.add_seen();
    seen.set_origin(static_cast<std::uint64_t>(at));
    seen.set_at(at);
    if (at != 20) NoteAcknowledged(seen, 1, kBlocks);
  }
  const auto known = AcknowledgedSince(header, 11);
  ASSERT_EQ(known.seen_size(), 1);
  EXPECT_EQ(known.seen(0).origin(), 30u);
}

}  // namespace
}  // namespace parley::session

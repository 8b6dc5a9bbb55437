#include "services/c2s/session/repeats.h"

#include <gtest/gtest.h>

#include <string>

namespace parley::c2s {
namespace {

using std::chrono::seconds;

TEST(RepeatsTest, KnowsWhatCameBefore) {
  Repeats repeats(100, seconds(60));
  const auto now = Repeats::Clock::now();
  EXPECT_FALSE(repeats.Seen(1, 7, 5, now));
  repeats.Note(1, 7, 5, now);
  EXPECT_TRUE(repeats.Seen(1, 7, 5, now));
  EXPECT_FALSE(repeats.Seen(1, 7, 6, now));
  EXPECT_FALSE(repeats.Seen(1, 8, 5, now));
  EXPECT_FALSE(repeats.Seen(9, 9, 5, now));
}

// The session's former edge refused it, and the next one overtook it.
TEST(RepeatsTest, WhatComesBehindALaterOneIsNoRepeat) {
  Repeats repeats(100, seconds(60));
  const auto now = Repeats::Clock::now();
  repeats.Note(1, 7, 70, now);
  EXPECT_FALSE(repeats.Seen(1, 7, 69, now));
  EXPECT_FALSE(repeats.Seen(1, 7, 7, now));
  EXPECT_TRUE(repeats.Seen(1, 7, 6, now));
  repeats.Note(1, 7, 69, now);
  EXPECT_TRUE(repeats.Seen(1, 7, 69, now));
  EXPECT_TRUE(repeats.Seen(1, 7, 70, now));
  repeats.Note(1, 7, 72, now);
  EXPECT_TRUE(repeats.Seen(1, 7, 70, now));
  EXPECT_FALSE(repeats.Seen(1, 7, 71, now));
}

TEST(RepeatsTest, KnowsAllThatWasAcknowledged) {
  Repeats repeats(100, seconds(60));
  const auto now = Repeats::Clock::now();
  repeats.NoteUpTo(1, 7, {.seq = 70, .itself = 0b100, .unknown_up_to = 20}, now);
  EXPECT_TRUE(repeats.Seen(1, 7, 70, now));
  EXPECT_TRUE(repeats.Seen(1, 7, 8, now));
  EXPECT_FALSE(repeats.Seen(1, 7, 71, now));
  EXPECT_TRUE(repeats.SeenItself(1, 7, 70, now));
  EXPECT_TRUE(repeats.SeenItself(1, 7, 68, now));
  EXPECT_FALSE(repeats.SeenItself(1, 7, 69, now));
  for (const std::uint64_t seq : {70u, 68u, 20u, 1u}) EXPECT_TRUE(repeats.SeenOneByOne(1, 7, seq, now)) << seq;
  for (const std::uint64_t seq : {71u, 69u, 21u}) EXPECT_FALSE(repeats.SeenOneByOne(1, 7, seq, now)) << seq;
}

TEST(RepeatsTest, KnowsTheVeryOnesAmongTheLatest) {
  Repeats repeats(100, seconds(60));
  const auto now = Repeats::Clock::now();
  repeats.Note(1, 7, 5, now);
  repeats.Note(1, 7, 68, now);
  EXPECT_TRUE(repeats.SeenItself(1, 7, 5, now));
  EXPECT_TRUE(repeats.SeenItself(1, 7, 68, now));
  EXPECT_FALSE(repeats.SeenItself(1, 7, 6, now));
  EXPECT_FALSE(repeats.SeenItself(1, 7, 69, now));
  EXPECT_FALSE(repeats.SeenItself(1, 8, 5, now));
  repeats.Note(1, 7, 69, now);
  EXPECT_FALSE(repeats.SeenItself(1, 7, 5, now));
  EXPECT_TRUE(repeats.Seen(1, 7, 5, now));
}

TEST(RepeatsTest, ForgetsWithTime) {
  Repeats repeats(100, seconds(60));
  auto now = Repeats::Clock::now();
  repeats.Note(1, 7, 5, now);
  now += seconds(61);
  EXPECT_TRUE(repeats.Seen(1, 7, 5, now));
  now += seconds(61);
  EXPECT_FALSE(repeats.Seen(1, 7, 5, now));
}

TEST(RepeatsTest, IsBounded) {
  Repeats repeats(100, seconds(60));
  const auto now = Repeats::Clock::now();
  for (int i = 0; i < 1000; ++i) {
    repeats.Note(static_cast<std::uint64_t>(i), 7, 1, now);
    EXPECT_LE(repeats.size(), 101u);
  }
  EXPECT_TRUE(repeats.Seen(999, 7, 1, now));
}

}  // namespace
}  // namespace parley::c2s

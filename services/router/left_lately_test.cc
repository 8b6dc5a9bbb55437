#include "services/router/left_lately.h"

#include <gtest/gtest.h>

namespace parley::router {
namespace {

using link::v1::Envelope;
using std::chrono::seconds;

Envelope Sent(const std::string& origin, std::uint64_t number) {
  Envelope envelope;
  envelope.set_origin(origin);
  envelope.set_origin_seq(number);
  return envelope;
}

Envelope Left(Envelope envelope, const std::string& session, std::uint64_t number) {
  envelope.set_unacknowledged_by(session);
  envelope.set_unacknowledged_number(number);
  return envelope;
}

class LeftLatelyTest : public ::testing::Test {
 protected:
  LeftLately left_{seconds(60), 3};
  const LeftLately::Clock::time_point now_{seconds(1000)};
};

TEST_F(LeftLatelyTest, ARepeatGetsTheNameUnderWhichItIsHandledAgain) {
  left_.Note(Left(Sent("juliet", 7), "romeo", 3), now_);
  Envelope repeat = Sent("juliet", 7);
  ASSERT_TRUE(left_.Rename(repeat, now_ + seconds(59)));
  EXPECT_EQ(repeat.unacknowledged_by(), "romeo");
  EXPECT_EQ(repeat.unacknowledged_number(), 3u);
  Envelope next = Sent("juliet", 8);
  EXPECT_FALSE(left_.Rename(next, now_));
}

TEST_F(LeftLatelyTest, TheLastWhoLeftItCounts) {
  left_.Note(Left(Sent("juliet", 7), "romeo", 3), now_);
  left_.Note(Left(Sent("juliet", 7), "other", 1), now_ + seconds(30));
  left_.Note(Left(Sent("juliet", 8), "other", 2), now_ + seconds(61));  // the first of them is forgotten
  Envelope repeat = Sent("juliet", 7);
  ASSERT_TRUE(left_.Rename(repeat, now_ + seconds(61)));
  EXPECT_EQ(repeat.unacknowledged_by(), "other");
}

TEST_F(LeftLatelyTest, ForgetsAfterAWhile) {
  left_.Note(Left(Sent("juliet", 7), "romeo", 3), now_);
  Envelope repeat = Sent("juliet", 7);
  EXPECT_FALSE(left_.Rename(repeat, now_ + seconds(61)));
}

TEST_F(LeftLatelyTest, ForgetsTheOldestForWantOfRoom) {
  for (std::uint64_t number = 1; number <= 3; ++number) {
    EXPECT_TRUE(left_.Note(Left(Sent("juliet", number), "romeo", number), now_ + seconds(number)));
  }
  EXPECT_FALSE(left_.Note(Left(Sent("juliet", 4), "romeo", 4), now_ + seconds(4)));
  Envelope oldest = Sent("juliet", 1);
  EXPECT_FALSE(left_.Rename(oldest, now_ + seconds(4)));
  for (std::uint64_t number = 2; number <= 4; ++number) {
    Envelope repeat = Sent("juliet", number);
    EXPECT_TRUE(left_.Rename(repeat, now_ + seconds(4)));
  }
  EXPECT_TRUE(left_.Note(Left(Sent("juliet", 5), "romeo", 5), now_ + seconds(70)));
}

TEST_F(LeftLatelyTest, KnowsNothingOfWhatNobodySent) {
  left_.Note(Left(Envelope(), "romeo", 3), now_);
  Envelope repeat;
  EXPECT_FALSE(left_.Rename(repeat, now_));
}

}  // namespace
}  // namespace parley::router

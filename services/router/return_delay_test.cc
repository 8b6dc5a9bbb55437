#include "services/router/return_delay.h"

#include <gtest/gtest.h>

namespace parley::router {
namespace {

using namespace std::chrono_literals;

class ReturnDelayTest : public ::testing::Test {
 protected:
  void LeaveAndComeBack() {
    delay_.NoteDeparture();
    delay_.NoteReturn(now_);
  }
  ReturnDelay delay_{2s, 10s};
  ReturnDelay::Clock::time_point now_ = ReturnDelay::Clock::now();
};

TEST_F(ReturnDelayTest, DoublesUpToTheLongestWithEachDepartureSoonAfterAReturn) {
  for (const auto expected : {2s, 4s, 8s, 10s, 10s}) {
    LeaveAndComeBack();
    EXPECT_EQ(delay_.current(), expected);
    now_ += 9s;
    EXPECT_FALSE(delay_.NoteWell(now_));
  }
}

TEST_F(ReturnDelayTest, IsAsAtFirstOnceItWasWellForTheLongest) {
  LeaveAndComeBack();
  LeaveAndComeBack();
  now_ += 10s;
  EXPECT_TRUE(delay_.NoteWell(now_));
  EXPECT_FALSE(delay_.NoteWell(now_));
  LeaveAndComeBack();
  EXPECT_EQ(delay_.current(), 2s);
}

// Redis answers it already.
TEST_F(ReturnDelayTest, IsNotWellWhileItIsAway) {
  LeaveAndComeBack();
  delay_.NoteDeparture();
  now_ += 1min;
  EXPECT_FALSE(delay_.NoteWell(now_));
  EXPECT_EQ(delay_.current(), 4s);
}

}  // namespace
}  // namespace parley::router

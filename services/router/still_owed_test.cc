#include "services/router/still_owed.h"

#include <gtest/gtest.h>

#include <functional>

namespace parley::router {
namespace {

using std::chrono::milliseconds;

class StillOwedTest : public ::testing::Test {
 protected:
  // In one turn of the loop; what is checked then.
  void InOneTurn(std::function<void()> check) {
    loop_.Post([this, check = std::move(check)] {
      check();
      loop_.AtEndOfTurn([this] { loop_.Stop(); });
    });
    loop_.Run();
  }
  bool Is(const std::string& session, int later = 0) const { return owed_.Is(session, now_ + milliseconds(later)); }

  Loop loop_;
  StillOwed owed_{loop_, milliseconds(650)};
  const StillOwed::Clock::time_point now_{std::chrono::seconds(1000)};
};

TEST_F(StillOwedTest, IsOnlyKnownOfTheSessionThatWasAskedFor) {
  InOneTurn([this] {
    EXPECT_FALSE(Is("a"));
    owed_.Note("a", now_);
    EXPECT_TRUE(Is("a"));
    EXPECT_FALSE(Is("b"));
    owed_.Note("b", now_);
    EXPECT_TRUE(Is("b"));
    EXPECT_FALSE(Is("a"));
  });
}

TEST_F(StillOwedTest, IsNotKnownAfterAStandstill) {
  InOneTurn([this] {
    owed_.Note("a", now_);
    EXPECT_TRUE(Is("a", 649));
    EXPECT_FALSE(Is("a", 650));
  });
}

TEST_F(StillOwedTest, IsNotKnownInTheNextTurn) {
  InOneTurn([this] { owed_.Note("a", now_); });
  EXPECT_FALSE(Is("a"));
  InOneTurn([this] { EXPECT_FALSE(Is("a")); });
}

}  // namespace
}  // namespace parley::router

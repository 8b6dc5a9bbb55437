#include "services/router/store_outage.h"

#include <gtest/gtest.h>

namespace parley::router {
namespace {

using namespace std::chrono_literals;

class StoreOutageTest : public ::testing::Test {
 protected:
  bool MayPassAfterFailure(std::chrono::milliseconds at) {
    const StoreOutage::Time now = begin_ + at;
    outage_.OnFailure(now);
    return outage_.may_pass(now);
  }

  const StoreOutage::Time begin_ = StoreOutage::Time() + 1h;
  StoreOutage outage_{5s};
};

TEST_F(StoreOutageTest, MayPassAtFirst) {
  EXPECT_TRUE(MayPassAfterFailure(0ms));
  EXPECT_TRUE(MayPassAfterFailure(4999ms));
  EXPECT_FALSE(MayPassAfterFailure(5s));
}

TEST_F(StoreOutageTest, IsLongAsLongAsThingsFail) {
  EXPECT_TRUE(MayPassAfterFailure(0ms));
  for (auto at = 5s; at < 60s; at += 5s) EXPECT_FALSE(MayPassAfterFailure(at)) << at.count();
}

TEST_F(StoreOutageTest, IsAnotherOneAfterTheSameTimeWithoutFailures) {
  EXPECT_TRUE(MayPassAfterFailure(0ms));
  EXPECT_FALSE(MayPassAfterFailure(5s));
  EXPECT_TRUE(MayPassAfterFailure(10001ms));
}

}  // namespace
}  // namespace parley::router

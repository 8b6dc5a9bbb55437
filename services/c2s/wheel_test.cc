#include "services/c2s/wheel.h"

#include <gtest/gtest.h>

#include <vector>

namespace parley::c2s {
namespace {

using std::chrono::milliseconds;

class WheelTest : public ::testing::Test {
 protected:
  struct Owner {
    explicit Owner(Wheel& wheel_) : wheel(wheel_), timer(&Owner::Fire, this) {}
    static void Fire(void* self) {
      auto& owner = *static_cast<Owner*>(self);
      owner.fired.push_back(owner.wheel.now());
      if (owner.cancels) owner.cancels->timer.Cancel();
      if (owner.again > Loop::Duration::zero()) owner.wheel.Arm(owner.timer, owner.again);
    }
    Wheel& wheel;
    Wheel::Timer timer;
    std::vector<Wheel::Ticks> fired;
    Owner* cancels = nullptr;
    Loop::Duration again{};
  };
  void Turn(int times) {
    for (int i = 0; i < times; ++i) wheel_.Turn();
  }

  Loop loop_;
  Wheel wheel_{loop_, milliseconds(100)};
};

TEST_F(WheelTest, IsNeverEarlyAndHardlyLate) {
  Owner owner(wheel_);
  wheel_.Arm(owner.timer, milliseconds(450));
  Turn(5);
  EXPECT_TRUE(owner.fired.empty());
  Turn(5);
  EXPECT_EQ(owner.fired, std::vector<Wheel::Ticks>{6});
  EXPECT_FALSE(owner.timer.armed());
}

TEST_F(WheelTest, KeepsTimesLongerThanARound) {
  Owner owner(wheel_);
  wheel_.Arm(owner.timer, milliseconds(100 * 3000));
  Turn(3000);
  EXPECT_TRUE(owner.fired.empty());
  Turn(2);
  EXPECT_EQ(owner.fired.size(), 1u);
}

TEST_F(WheelTest, RearmsInsideItsCallback) {
  Owner owner(wheel_);
  owner.again = milliseconds(100);
  wheel_.Arm(owner.timer, milliseconds(0));
  Turn(7);
  EXPECT_EQ(owner.fired, (std::vector<Wheel::Ticks>{1, 3, 5, 7}));
}

TEST_F(WheelTest, OneMayCancelAnotherThatIsDue) {
  Owner first(wheel_);
  Owner second(wheel_);
  first.cancels = &second;
  wheel_.Arm(first.timer, milliseconds(100));
  wheel_.Arm(second.timer, milliseconds(100));
  Turn(5);
  EXPECT_EQ(first.fired.size(), 1u);
  EXPECT_TRUE(second.fired.empty());
}

TEST_F(WheelTest, ForgetsWhatIsDestroyed) {
  {
    Owner owner(wheel_);
    wheel_.Arm(owner.timer, milliseconds(100));
  }
  Turn(5);
}

}  // namespace
}  // namespace parley::c2s

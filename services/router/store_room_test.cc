#include "services/router/store_room.h"

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/telemetry/metrics.h"
#include "tests/support/run_until.h"

namespace parley::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using News = StoreRoom::News;

class StoreRoomTest : public ::testing::Test {
 protected:
  void Make(std::size_t places, std::chrono::milliseconds patience = std::chrono::minutes(10)) {
    StoreRoom::Options options;
    options.places = places;
    options.patience = patience;
    options.has_overtakers = [this](const std::string& owner) { return has_overtakers_ == owner; };
    room_ = std::make_shared<StoreRoom>(loop_, std::move(options), metrics_);
  }
  // Waits as an account's turn does, takes its place, and has it until it is freed.
  void Come(const std::string& owner) { tasks_.Spawn("wait", WaitFor(owner)); }
  Task<void> WaitFor(std::string owner) {
    const StoreRoom::Visit visit(room_, owner);
    while (true) {
      const News news = co_await room_->Wait(owner);
      if (news == News::kLate) late_.push_back(owner);
      if (news == News::kOvertakers) let_in_.push_back(std::exchange(has_overtakers_, ""));
      if (news != News::kOvertakers) break;
    }
    if (uses_its_place_ && room_->Take(owner)) served_.push_back(owner);
  }
  std::size_t waiting() const { return static_cast<std::size_t>(metrics_.storing_waiting.Value()); }
  void RunUntil(const std::function<bool()>& condition) { test::RunUntil(loop_, condition); }
  // So that they stand in this order.
  void Line(const std::vector<std::string>& owners) {
    for (const auto& owner : owners) {
      Come(owner);
      RunUntil([this, before = waiting()] { return waiting() > before; });
    }
  }

  Loop loop_;
  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  std::shared_ptr<StoreRoom> room_;
  std::string has_overtakers_;
  bool uses_its_place_ = true;
  std::vector<std::string> served_;
  std::vector<std::string> late_;
  std::vector<std::string> let_in_;
  Tasks tasks_{loop_};
};

TEST_F(StoreRoomTest, WhoComesFirstIsServedFirst) {
  Make(1);
  ASSERT_TRUE(room_->Take("tybalt"));
  Line({"romeo", "juliet", "paris"});
  EXPECT_THAT(served_, IsEmpty());
  for (std::size_t served = 1; served <= 3; ++served) {
    room_->Free();
    // Nobody comes in between, neither before it has taken its place nor after that.
    EXPECT_FALSE(room_->Take("mercutio"));
    RunUntil([&] { return served_.size() == served; });
    EXPECT_FALSE(room_->Take("mercutio"));
  }
  EXPECT_THAT(served_, ElementsAre("romeo", "juliet", "paris"));
  room_->Free();
  EXPECT_TRUE(room_->Take("mercutio"));
}

TEST_F(StoreRoomTest, APlaceThatIsNotUsedIsTheNextOnes) {
  Make(1);
  ASSERT_TRUE(room_->Take("tybalt"));
  Line({"romeo", "juliet"});
  uses_its_place_ = false;
  room_->Free();
  RunUntil([&] { return waiting() == 0; });
  RunUntil([&] { return room_->Take("mercutio"); });
}

TEST_F(StoreRoomTest, WhoLetsOthersInKeepsItsPlace) {
  Make(1);
  ASSERT_TRUE(room_->Take("tybalt"));
  Line({"romeo", "juliet"});
  has_overtakers_ = "romeo";
  RunUntil([&] { return let_in_.size() == 1; });
  RunUntil([&] { return waiting() == 2; });
  room_->Free();
  RunUntil([&] { return served_.size() == 1; });
  EXPECT_THAT(served_, ElementsAre("romeo"));
}

TEST_F(StoreRoomTest, NobodyWaitsForEver) {
  Make(1, std::chrono::milliseconds(1));
  ASSERT_TRUE(room_->Take("tybalt"));
  EXPECT_FALSE(room_->Take("romeo"));
  EXPECT_EQ(metrics_.limits_storing.Value(), 1);
  Come("romeo");
  RunUntil([&] { return late_.size() == 1; });
  // Nor do its next messages, one after the other, before it is served.
  Come("romeo");
  Come("romeo");
  RunUntil([&] { return late_.size() == 3; });
  room_->Free();
  Come("romeo");
  RunUntil([&] { return served_.size() == 1; });
  EXPECT_EQ(late_.size(), 3u);
}

TEST_F(StoreRoomTest, TheLineGoesOnBehindWhoIsLate) {
  Make(1, std::chrono::milliseconds(200));
  ASSERT_TRUE(room_->Take("tybalt"));
  Line({"romeo"});
  RunUntil([&] { return late_.size() == 1; });
  Line({"juliet"});
  room_->Free();
  RunUntil([&] { return served_.size() == 1; });
  EXPECT_THAT(served_, ElementsAre("juliet"));
  EXPECT_THAT(late_, ElementsAre("romeo"));
}

}  // namespace
}  // namespace parley::router

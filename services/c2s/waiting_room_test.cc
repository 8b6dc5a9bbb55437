#include "services/c2s/waiting_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace parley::c2s {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Descriptors are only numbers here.
class WaitingRoomTest : public ::testing::Test {
 protected:
  WaitingRoomTest() {
    config_.max_unauthenticated = 1;
    config_.connections_per_second_per_address = 0;
  }
  void Open() {
    admission_ = std::make_unique<Admission>(loop_, config_, metrics_);
    room_ = std::make_unique<WaitingRoom>(
        loop_, config_, *admission_, metrics_,
        WaitingRoom::Doors{.admit = [this](const Newcomer& newcomer) { Admit(newcomer); },
                           .refuse = [this](const Newcomer& newcomer) { refused_.push_back(newcomer.fd); }});
  }
  ~WaitingRoomTest() override {
    room_.reset();
    inside_.clear();
  }
  void Enter(int fd, const std::string& address = "192.0.2.1") {
    room_->Enter({fd, address, Streams::Kind::kStartTls});
  }
  void LogIn(int fd) { inside_.at(fd)->Authenticated(); }
  // All that is due has happened.
  void Turn() {
    loop_.Post([this] { loop_.Stop(); });
    loop_.Run();
  }
  void RunUntil(const std::vector<int>& list, std::size_t size) {
    const auto give_up = loop_.After(std::chrono::seconds(10), [this] { loop_.Stop(); });
    const auto look = loop_.Every(milliseconds(1), [&] {
      if (list.size() >= size) loop_.Stop();
    });
    loop_.Run();
  }
  double Limit(const std::string& limit) {
    const std::string text = registry_.Text();
    const std::string line = "parley_c2s_limits_total{limit=\"" + limit + "\"} ";
    const auto at = text.find(line);
    return at == std::string::npos ? 0 : std::stod(text.substr(at + line.size()));
  }

  Loop loop_;
  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  config::C2s config_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<WaitingRoom> room_;
  std::map<int, std::unique_ptr<Admission::Ticket>> inside_;
  std::vector<int> admitted_;
  std::vector<int> refused_;

 private:
  void Admit(const Newcomer& newcomer) {
    admitted_.push_back(newcomer.fd);
    inside_[newcomer.fd] = std::make_unique<Admission::Ticket>(*admission_, newcomer.address);
  }
};

TEST_F(WaitingRoomTest, WhoWaitsForAPlaceComesBeforeWhoComesLater) {
  Open();
  Enter(1);
  Enter(2);
  LogIn(1);
  Enter(3);  // in the same turn, with a place free
  EXPECT_THAT(admitted_, ElementsAre(1));
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1, 2));
  inside_.erase(2);  // leaving gives the place back, too
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1, 2, 3));
  EXPECT_EQ(room_->waiting(), 0u);
  EXPECT_THAT(refused_, IsEmpty());
}

TEST_F(WaitingRoomTest, APlaceIsGivenToOneOnly) {
  Open();
  for (int fd = 1; fd <= 4; ++fd) Enter(fd);
  LogIn(1);
  Turn();
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1, 2));
}

TEST_F(WaitingRoomTest, WithoutRoomTheNewestIsRefused) {
  config_.max_connections_waiting = 2;
  Open();
  for (int fd = 1; fd <= 5; ++fd) Enter(fd);
  EXPECT_THAT(refused_, ElementsAre(4, 5));
  EXPECT_EQ(Limit("connections_waiting"), 2);
  LogIn(1);
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1, 2));
}

TEST_F(WaitingRoomTest, ALimitCountsAConnectionOnceHoweverLongItWaits) {
  Open();
  Enter(1);
  Enter(2);
  Enter(3);
  LogIn(1);
  Turn();
  LogIn(2);
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1, 2, 3));
  EXPECT_EQ(Limit("unauthenticated"), 2);
}

TEST_F(WaitingRoomTest, NobodyWaitsForAPlaceForEver) {
  config_.admission_timeout = milliseconds(20);
  Open();
  Enter(1);
  Enter(2);
  Enter(3);
  RunUntil(refused_, 2);
  EXPECT_THAT(refused_, ElementsAre(2, 3));
  EXPECT_EQ(Limit("admission_time"), 2);
  LogIn(1);
  Enter(4);
  EXPECT_THAT(admitted_, ElementsAre(1, 4));
}

TEST_F(WaitingRoomTest, AnAddressBeyondItsRateWaitsAndItsNeighboursDoNot) {
  config_.max_unauthenticated = 10;
  config_.connections_per_second_per_address = 100;
  config_.connections_burst_per_address = 1;
  Open();
  Enter(1);
  Enter(2);
  Enter(3);
  Enter(4, "192.0.2.2");
  EXPECT_THAT(admitted_, ElementsAre(1, 4));
  RunUntil(admitted_, 4);
  EXPECT_THAT(admitted_, ElementsAre(1, 4, 2, 3));
  EXPECT_EQ(Limit("connection_rate"), 2);
}

TEST_F(WaitingRoomTest, WhoWouldWaitTooLongForItsRateIsRefusedAtOnceAndSpendsNothing) {
  config_.max_unauthenticated = 10;
  config_.connections_per_second_per_address = 1;
  config_.connections_burst_per_address = 1;
  config_.admission_timeout = milliseconds(1500);
  Open();
  for (int fd = 1; fd <= 4; ++fd) Enter(fd);
  EXPECT_THAT(refused_, ElementsAre(3, 4));
  EXPECT_EQ(room_->waiting(), 1u);
  EXPECT_EQ(Limit("admission_time"), 2);
  RunUntil(admitted_, 2);
  EXPECT_THAT(admitted_, ElementsAre(1, 2));
}

TEST_F(WaitingRoomTest, RoomForTheRateIsNotRoomForPlaces) {
  config_.max_connections_waiting = 1;
  config_.connections_per_second_per_address = 1;
  config_.connections_burst_per_address = 1;
  Open();
  Enter(1);
  Enter(2);               // beyond its rate
  Enter(3, "192.0.2.2");  // waits for a place
  Enter(4);               // no room
  Enter(5, "192.0.2.3");  // no room
  EXPECT_EQ(room_->waiting(), 2u);
  EXPECT_THAT(refused_, ElementsAre(4, 5));
}

TEST_F(WaitingRoomTest, AllWhoWaitAreRefusedWhenItIsCleared) {
  config_.connections_per_second_per_address = 1;
  config_.connections_burst_per_address = 1;
  Open();
  Enter(1);
  Enter(2);
  Enter(3, "192.0.2.2");
  room_->Clear();
  EXPECT_THAT(refused_, ElementsAre(2, 3));
  LogIn(1);
  Turn();
  EXPECT_THAT(admitted_, ElementsAre(1));
}

}  // namespace
}  // namespace parley::c2s

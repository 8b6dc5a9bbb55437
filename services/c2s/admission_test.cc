#include "services/c2s/admission.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace parley::c2s {
namespace {

using std::chrono::seconds;

TEST(TokenBucketTest, GathersUpToItsBurst) {
  const Rate rate{10, 20};
  TokenBucket bucket;
  auto now = TokenBucket::Clock::now();
  EXPECT_EQ(bucket.Take(rate, 20, now), seconds(0));
  EXPECT_EQ(bucket.Take(rate, 10, now), seconds(1));  // in debt
  now += seconds(1);
  EXPECT_FALSE(bucket.TryTake(rate, 1, now));
  now += seconds(100);
  EXPECT_TRUE(bucket.Full(rate, now));
  EXPECT_FALSE(bucket.TryTake(rate, 21, now));
  EXPECT_TRUE(bucket.TryTake(rate, 20, now));
}

TEST(TokenBucketTest, TakesNothingWhereTheWaitWouldBeTooLong) {
  const Rate rate{10, 1};
  TokenBucket bucket;
  const auto now = TokenBucket::Clock::now();
  EXPECT_EQ(bucket.TakeWithin(rate, 1, seconds(0), now), seconds(0));
  EXPECT_EQ(bucket.TakeWithin(rate, 10, seconds(1), now), seconds(1));
  EXPECT_EQ(bucket.TakeWithin(rate, 1, seconds(1), now), std::nullopt);
  EXPECT_EQ(bucket.TakeWithin(rate, 10, seconds(1), now + seconds(1)), seconds(1));
  EXPECT_EQ(bucket.TakeWithin(Rate{}, 1e12, seconds(0), now), seconds(0));
}

TEST(TokenBucketTest, NoRateIsNoLimit) {
  TokenBucket bucket;
  EXPECT_EQ(bucket.Take(Rate{}, 1e12, TokenBucket::Clock::now()), seconds(0));
  EXPECT_TRUE(bucket.TryTake(Rate{}, 1e12, TokenBucket::Clock::now()));
}

TEST(AddressGroupTest, TakesAnIpv6NetworkForOne) {
  EXPECT_EQ(AddressGroup("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(AddressGroup("::ffff:192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(AddressGroup("2001:db8:1:2::1"), AddressGroup("2001:db8:1:2:ffff::5"));
  EXPECT_NE(AddressGroup("2001:db8:1:2::1"), AddressGroup("2001:db8:1:3::1"));
}

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    config_.max_connections = 10;
    config_.max_connections_per_address = 4;
    config_.max_unauthenticated = 6;
    config_.connections_per_second_per_address = 0;
  }
  Admission::Verdict Try(Admission& admission, const std::string& address) {
    const auto verdict = admission.Judge(address, 0);
    if (verdict == Admission::Verdict::kAdmit) {
      tickets_.push_back(std::make_unique<Admission::Ticket>(admission, address));
    }
    return verdict;
  }

  Loop loop_;
  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  config::C2s config_;
  std::vector<std::unique_ptr<Admission::Ticket>> tickets_;
};

TEST_F(AdmissionTest, LimitsOneAddress) {
  Admission admission(loop_, config_, metrics_);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Try(admission, "192.0.2.1"), Admission::Verdict::kAdmit);
  EXPECT_EQ(Try(admission, "192.0.2.1"), Admission::Verdict::kRefuse);
  EXPECT_EQ(Try(admission, "192.0.2.2"), Admission::Verdict::kAdmit);
  tickets_.erase(tickets_.begin());
  EXPECT_EQ(Try(admission, "192.0.2.1"), Admission::Verdict::kAdmit);
  tickets_.clear();
}

TEST_F(AdmissionTest, HasPlacesForThoseThatAreNotLoggedIn) {
  Admission admission(loop_, config_, metrics_);
  int freed = 0;
  admission.OnPlace([&] { ++freed; });
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(admission.HasPlace());
    EXPECT_EQ(Try(admission, "192.0.2." + std::to_string(i)), Admission::Verdict::kAdmit);
  }
  EXPECT_FALSE(admission.HasPlace());
  EXPECT_EQ(freed, 0);
  tickets_.front()->Authenticated();
  EXPECT_TRUE(admission.HasPlace());
  tickets_.clear();
  EXPECT_EQ(freed, 6);  // once each
  EXPECT_EQ(admission.connections(), 0u);
}

TEST_F(AdmissionTest, ThoseThatWaitCountAsConnections) {
  Admission admission(loop_, config_, metrics_);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Try(admission, "192.0.2." + std::to_string(i)), Admission::Verdict::kAdmit);
  EXPECT_EQ(admission.Judge("192.0.2.9", 1), Admission::Verdict::kAdmit);
  EXPECT_EQ(admission.Judge("192.0.2.9", 2), Admission::Verdict::kRefuse);
  tickets_.clear();
}

TEST_F(AdmissionTest, SlowsTheNewConnectionsOfAnAddress) {
  config_.connections_per_second_per_address = 1;
  config_.connections_burst_per_address = 2;
  Admission admission(loop_, config_, metrics_);
  const auto most = std::chrono::milliseconds(1500);
  EXPECT_EQ(admission.Pace("192.0.2.1", most), seconds(0));
  EXPECT_EQ(admission.Pace("192.0.2.1", most), seconds(0));
  const auto third = admission.Pace("192.0.2.1", most);
  ASSERT_TRUE(third);
  EXPECT_GT(*third, seconds(0));
  EXPECT_LE(*third, seconds(1));
  EXPECT_EQ(admission.Pace("192.0.2.1", most), std::nullopt);
  EXPECT_EQ(admission.Pace("192.0.2.2", most), seconds(0));
}

}  // namespace
}  // namespace parley::c2s

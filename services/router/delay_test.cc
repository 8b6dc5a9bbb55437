#include "services/router/delay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace parley::router {
namespace {

constexpr char kMessage[] = "<message from='juliet@home.example'><body>x</body></message>";
constexpr char kHost[] = "home.example";
constexpr std::int64_t kAt = 1234567890123;

TEST(DelayTest, SaysWhenAndByWhom) {
  EXPECT_EQ(WithDelay(kMessage, kHost, kAt),
            "<message from='juliet@home.example'><body>x</body><delay xmlns='urn:xmpp:delay' from='home.example' "
            "stamp='2009-02-13T23:31:30.123Z'>Offline Storage</delay></message>");
}

TEST(DelayTest, TheFirstTimeCounts) {
  const std::string first = WithDelay(kMessage, kHost, kAt);
  EXPECT_EQ(WithDelay(first, kHost, kAt + 1), first);
}

TEST(DelayTest, IsTakenOutAgain) {
  EXPECT_EQ(WithoutDelay(WithDelay(kMessage, kHost, kAt), kHost, kAt), kMessage);
  EXPECT_EQ(WithoutDelay(kMessage, kHost, kAt), kMessage);
}

// What is taken out is only what is put in again as it was.
TEST(DelayTest, NotAnotherTimeOrAnothersOrOneInside) {
  const std::string delayed = WithDelay(kMessage, kHost, kAt);
  EXPECT_EQ(WithoutDelay(delayed, kHost, kAt + 1), delayed);
  EXPECT_EQ(WithoutDelay(delayed, "other.example", kAt), delayed);
  const std::string forwarded = "<message><forwarded>" + delayed + "</forwarded></message>";
  EXPECT_EQ(WithoutDelay(forwarded, kHost, kAt), forwarded);
}

TEST(DelayTest, AMessageThatIsForwardedHasItsOwn) {
  const std::string forwarded = "<message><forwarded>" + WithDelay(kMessage, kHost, kAt) + "</forwarded></message>";
  const std::string delayed = WithDelay(forwarded, kHost, kAt + 1);
  EXPECT_NE(delayed, forwarded);
  EXPECT_EQ(WithoutDelay(delayed, kHost, kAt + 1), forwarded);
}

}  // namespace
}  // namespace parley::router

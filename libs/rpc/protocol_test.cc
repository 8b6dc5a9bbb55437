#include "libs/rpc/protocol.h"

#include <gmock/gmock.h>

#include "parley/link/v1/link.pb.h"

namespace parley::rpc {
namespace {

using ::testing::HasSubstr;

TEST(ProtocolTest, AdjacentReleasesSpeakTheOlderOnes) {
  EXPECT_EQ(Common({1, 1}, {1, 1}), 1u);
  EXPECT_EQ(Common({1, 1}, {1, 2}), 1u);
  EXPECT_EQ(Common({2, 3}, {1, 2}), 2u);
  EXPECT_EQ(Common({2, 3}, {3, 4}), 3u);
}

TEST(ProtocolTest, ReleasesThatAreFurtherApartHaveNone) {
  EXPECT_EQ(Common({1, 1}, {2, 3}), std::nullopt);
  EXPECT_EQ(Common({3, 4}, {1, 2}), std::nullopt);
  EXPECT_EQ(Common({1, 1}, {0, 0}), std::nullopt);
  EXPECT_EQ(Common({1, 1}, {5, 1}), std::nullopt) << "nonsense";
}

TEST(ProtocolTest, AReleaseThatDoesNotSaySpeaksOneLowerToo) {
  link::v1::Hello hello;
  for (const auto& [newest, oldest] : {std::pair(1u, 1u), std::pair(2u, 1u), std::pair(5u, 4u)}) {
    hello.set_protocol(newest);
    EXPECT_EQ(ProtocolsOf(hello).oldest, oldest);
    EXPECT_EQ(ProtocolsOf(hello).newest, newest);
  }
  hello.set_oldest_protocol(2);
  EXPECT_EQ(ProtocolsOf(hello).oldest, 2u);
}

TEST(ProtocolTest, OperatorsAreToldBothReleasesAndWhatToDo) {
  link::v1::Hello hello;
  hello.set_protocol(9);
  hello.set_oldest_protocol(8);
  hello.set_version("9.8.7");
  const auto why = WhyNone(hello);
  for (const char* part : {"9.8.7", "8 to 9", "one release at a time"}) EXPECT_THAT(why, HasSubstr(part));
}

}  // namespace
}  // namespace parley::rpc

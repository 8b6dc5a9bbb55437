#include "libs/rpc/discovery.h"

#include <gmock/gmock.h>

#include "libs/rpc/testing.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::RunFor;
using testing::RunUntil;

std::vector<std::string> Discover(DiscoveryOptions options) {
  Loop loop;
  std::vector<std::string> found;
  bool told = false;
  Discovery discovery(loop, std::move(options), [&](const std::vector<std::string>& addresses) {
    found = addresses;
    told = true;
  });
  RunUntil(loop, [&] { return told; });
  return found;
}

TEST(DiscoveryTest, AddressesAreSortedAndUnique) {
  EXPECT_THAT(Discover({{"127.0.0.2:7400", "127.0.0.1:7400", "127.0.0.2:7400"}}),
              ElementsAre("127.0.0.1:7400", "127.0.0.2:7400"));
}

TEST(DiscoveryTest, Ipv6AddressesKeepTheirBrackets) {
  EXPECT_THAT(Discover({{"[::1]:7400"}}), ElementsAre("[::1]:7400"));
}

TEST(DiscoveryTest, NamesAreResolved) {
  EXPECT_THAT(Discover({{"localhost:7400", "127.0.0.9:1"}}), Contains("127.0.0.1:7400"));
  EXPECT_THAT(Discover({{"localhost:7400", "127.0.0.9:1"}}), Contains("127.0.0.9:1"));
}

TEST(DiscoveryTest, ToldOnlyOfChanges) {
  Loop loop;
  int told = 0;
  Discovery discovery(loop, {{"localhost:7400"}, 1ms}, [&](const std::vector<std::string>&) { ++told; });
  RunUntil(loop, [&] { return told > 0; });
  RunFor(loop, 30ms);
  EXPECT_EQ(told, 1);
}

TEST(DiscoveryTest, QuietOnceDestroyed) {
  Loop loop;
  int told = 0;
  {
    Discovery discovery(loop, {{"127.0.0.1:7400"}}, [&](const std::vector<std::string>&) { ++told; });
  }
  RunFor(loop, 20ms);
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace parley::rpc

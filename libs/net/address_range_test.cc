#include "libs/net/address_range.h"

#include <gtest/gtest.h>

namespace parley::net {
namespace {

AddressRanges Of(std::initializer_list<const char*> texts) {
  AddressRanges set;
  for (const char* text : texts) set.Add(AddressRange::Parse(text).value());
  return set;
}

TEST(AddressRangeTest, KeepsItsUsualForm) {
  for (const char* text : {"192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "::/0"}) {
    ASSERT_TRUE(AddressRange::Parse(text)) << text;
    EXPECT_EQ(AddressRange::Parse(text)->str(), text);
  }
  EXPECT_EQ(AddressRange::Parse("2001:DB8:0::/32")->str(), "2001:db8::/32");
  EXPECT_EQ(AddressRange::Parse("::ffff:192.0.2.1")->str(), "192.0.2.1");
}

TEST(AddressRangeTest, RefusesWhatIsNone) {
  for (const char* text : {"", "example.org", "192.0.2", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "192.0.2.0/24x",
                           "192.0.2.1/24", "2001:db8::/129", "/24", "2001:db8::1/32", "10.0.0.0/8/8", "fe80::1%eth0"}) {
    EXPECT_FALSE(AddressRange::Parse(text)) << text;
  }
}

TEST(AddressRangesTest, FindsAddressesHoweverTheyAreWritten) {
  const auto set = Of({"192.0.2.0/25", "203.0.113.7", "2001:db8:1::/48"});
  for (const char* inside : {"192.0.2.0", "192.0.2.127", "203.0.113.7", "::ffff:203.0.113.7", "2001:db8:1:ff::2"}) {
    EXPECT_TRUE(set.Contains(inside)) << inside;
  }
  for (const char* outside : {"192.0.2.128", "203.0.113.8", "2001:db8:2::1", "", "unix"}) {
    EXPECT_FALSE(set.Contains(outside)) << outside;
  }
  EXPECT_FALSE(AddressRanges().Contains("192.0.2.1"));
}

// Trusted proxies and bans are said for one family: who trusts all of IPv6 need not trust all of IPv4.
TEST(AddressRangesTest, FamiliesDoNotMix) {
  const auto v4 = Of({"0.0.0.0/0"});
  EXPECT_TRUE(v4.Contains("8.8.8.8"));
  EXPECT_TRUE(v4.Contains("::ffff:8.8.8.8"));
  EXPECT_FALSE(v4.Contains("2001:db8::1"));
  EXPECT_FALSE(v4.Contains("::1"));
  for (const char* range : {"::/0", "::/80", "::fff0:0:0/92"}) {
    const auto v6 = Of({range});
    EXPECT_FALSE(v6.Contains("127.0.0.1")) << range;
    EXPECT_FALSE(v6.Contains("::ffff:127.0.0.1")) << range;
  }
  EXPECT_TRUE(Of({"::/0"}).Contains("2001:db8::1"));
  EXPECT_TRUE(Of({"::ffff:0:0/96"}).Contains("127.0.0.1"));
}

TEST(AddressRangesTest, SharesOfAByteCount) {
  EXPECT_TRUE(Of({"10.0.0.0/8"}).Contains("10.255.1.2"));
  EXPECT_FALSE(Of({"10.0.0.0/8"}).Contains("11.0.0.1"));
  EXPECT_TRUE(Of({"192.0.2.128/25"}).Contains("192.0.2.255"));
  EXPECT_FALSE(Of({"192.0.2.128/25"}).Contains("192.0.2.127"));
  EXPECT_TRUE(Of({"2001:db8::/32"}).Contains("2001:db8:ffff::1"));
  EXPECT_FALSE(Of({"2001:db8::/32"}).Contains("2001:db9::1"));
}

}  // namespace
}  // namespace parley::net

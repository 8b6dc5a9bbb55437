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
                           "192.0.2.1/24", "2001:db8::/129", "/24"}) {
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

TEST(AddressRangesTest, AllOfIpv4IsNotAllOfIpv6) {
  const auto set = Of({"0.0.0.0/0"});
  EXPECT_TRUE(set.Contains("8.8.8.8"));
  EXPECT_FALSE(set.Contains("2001:db8::1"));
}

}  // namespace
}  // namespace parley::net

#include "libs/net/proxy_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libs/net/proxy_header_for_test.h"

namespace parley::net {
namespace {

using Status = ProxyHeader::Status;
using testing::HasSubstr;

constexpr std::size_t kMax = 512;

// As from a socket, at most `step` bytes at a time; never more than are wanted.
Status Feed(ProxyHeader& header, std::string_view bytes, std::size_t step = 1000) {
  Status status = Status::kIncomplete;
  while (status == Status::kIncomplete && !bytes.empty()) {
    const auto now = bytes.substr(0, std::min(step, header.wanted()));
    bytes.remove_prefix(now.size());
    status = header.Feed(now);
  }
  return status;
}

TEST(ProxyHeaderTest, NamesTheClient) {
  ProxyHeader v4(kMax);
  EXPECT_EQ(Feed(v4, test::ProxyV4("203.0.113.7")), Status::kClient);
  EXPECT_EQ(v4.address(), "203.0.113.7");
  ProxyHeader v6(kMax);
  EXPECT_EQ(Feed(v6, test::ProxyV6("2001:db8::7")), Status::kClient);
  EXPECT_EQ(v6.address(), "2001:db8::7");
  ProxyHeader mapped(kMax);
  EXPECT_EQ(Feed(mapped, test::ProxyV6("::ffff:203.0.113.7")), Status::kClient);
  EXPECT_EQ(mapped.address(), "203.0.113.7");
}

TEST(ProxyHeaderTest, SkipsTlvsAndReadsNoFurther) {
  for (std::size_t step : {1, 3, 16, 1000}) {
    ProxyHeader header(kMax);
    EXPECT_EQ(Feed(header, test::ProxyV4("203.0.113.7", std::string(100, 'x')) + "<stream", step), Status::kClient);
    EXPECT_EQ(header.wanted(), 0u);
    EXPECT_EQ(header.address(), "203.0.113.7");
  }
}

TEST(ProxyHeaderTest, LocalIsTheProxyItself) {
  ProxyHeader bare(kMax);
  EXPECT_EQ(Feed(bare, test::ProxyBytes(0x20, 0x00, "")), Status::kProxy);
  ProxyHeader with_address(kMax);
  EXPECT_EQ(Feed(with_address, test::ProxyBytes(0x20, 0x11, std::string(12, '\1'))), Status::kProxy);
  EXPECT_EQ(with_address.address(), "");
}

struct Wrong {
  const char* name;
  std::string bytes;
  const char* problem;
};

class ProxyHeaderWrongTest : public testing::TestWithParam<Wrong> {};

TEST_P(ProxyHeaderWrongTest, IsRefusedWithItsReason) {
  for (std::size_t step : {1, 1000}) {
    ProxyHeader header(kMax);
    EXPECT_EQ(Feed(header, GetParam().bytes, step), Status::kBad);
    EXPECT_THAT(header.problem(), HasSubstr(GetParam().problem));
    EXPECT_EQ(header.address(), "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ProxyHeaderWrongTest,
    testing::Values(Wrong{"Version1", "PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n", "signature"},
                    Wrong{"Xml", "<", "signature"}, Wrong{"Tls", "\x16\x03\x01", "signature"},
                    Wrong{"LastByteOfTheSignature", std::string("\r\n\r\n\0\r\nQUIT\r", 12), "signature"},
                    Wrong{"Version3", test::ProxyBytes(0x31, 0x11, std::string(12, '\1')), "version 2"},
                    Wrong{"Command", test::ProxyBytes(0x22, 0x11, std::string(12, '\1')), "command"},
                    Wrong{"TooLarge", test::ProxyV4("203.0.113.7", std::string(kMax, 'x')), "bytes"},
                    Wrong{"Unspecified", test::ProxyBytes(0x21, 0x00, ""), "no address"},
                    Wrong{"Udp", test::ProxyBytes(0x21, 0x12, std::string(12, '\1')), "no address"},
                    Wrong{"Unix", test::ProxyBytes(0x21, 0x31, std::string(216, '\1')), "no address"},
                    Wrong{"ShortV4", test::ProxyBytes(0x21, 0x11, std::string(11, '\1')), "no address"},
                    Wrong{"ShortV6", test::ProxyBytes(0x21, 0x21, std::string(35, '\1')), "no address"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace parley::net

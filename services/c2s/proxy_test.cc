// Behind load balancers that speak the PROXY protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/proxy_header_for_test.h"
#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using net::test::ProxyBytes;
using net::test::ProxyV4;
using net::test::ProxyV6;

class ProxyTest : public ::testing::Test {
 protected:
  static EdgeHarness::Change Trusting(const std::string& network, const EdgeHarness::Change& more = {}) {
    return [=](config::Config& config) {
      config.c2s.trusted_proxies = {network};
      if (more) more(config);
    };
  }
  static double Headers(EdgeHarness& edge, const std::string& outcome) {
    return edge.Metric("parley_c2s_proxy_headers_total{outcome=\"" + outcome + "\"}");
  }
  static std::string AddressOfLastBind(EdgeHarness& edge) {
    return edge.OnLoop([&] { return edge.router().asks.back().bind().address(); });
  }
};

TEST_F(ProxyTest, ClientsHaveTheAddressThatTheProxyNames) {
  EdgeHarness edge(Trusting("127.0.0.0/8"));
  Client starttls(edge.port());
  starttls.Send(ProxyV4("203.0.113.7", std::string(40, 'x')));
  starttls.Start();
  EXPECT_EQ(AddressOfLastBind(edge), "203.0.113.7");

  Client direct(edge.tls_port());
  direct.Send(ProxyV6("2001:db8::7"));
  ASSERT_TRUE(direct.connection().StartTls({.alpn = {"xmpp-client"}}));
  direct.Open();
  direct.AuthPlain("juliet", "art thou");
  direct.Until("<success");
  direct.Until("</success>");
  direct.Open();
  direct.Bind();
  EXPECT_EQ(AddressOfLastBind(edge), "2001:db8::7");
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "client") == 2; }));
}

TEST_F(ProxyTest, HeaderAndStreamMayComeInOnePacketOrInMany) {
  EdgeHarness edge(Trusting("127.0.0.1"));
  Client together(edge.port());
  together.Send(ProxyV4("203.0.113.7") + HeaderFor(kHost));
  together.Until("</stream:features>");
  Client byte_by_byte(edge.port());
  for (char byte : ProxyV4("203.0.113.7")) byte_by_byte.Send(std::string_view(&byte, 1));
  byte_by_byte.Open();
}

TEST_F(ProxyTest, LimitsAreThoseOfTheClient) {
  EdgeHarness edge(Trusting("127.0.0.1", [](config::Config& config) { config.c2s.max_connections_per_address = 1; }));
  Client first(edge.port());
  first.Send(ProxyV4("203.0.113.7"));
  first.Open();
  Client same(edge.port());
  same.Send(ProxyV4("203.0.113.7"));
  EXPECT_EQ(StreamErrorIn(same.Rest()), "resource-constraint");
  Client other(edge.port());
  other.Send(ProxyV4("203.0.113.8"));
  other.Open();
}

TEST_F(ProxyTest, WhoIsNoTrustedProxyComesNeitherInNorUnderAnotherAddress) {
  EdgeHarness edge(Trusting("192.0.2.0/24"));
  Client spoofer(edge.port());
  spoofer.Send(ProxyV4("203.0.113.7") + HeaderFor(kHost));
  EXPECT_EQ(spoofer.Rest(), "");
  Client honest(edge.port());
  EXPECT_EQ(honest.Rest(), "");
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "untrusted") == 2; }));
  EXPECT_EQ(edge.Metric("parley_c2s_connections_total"), 0);
}

TEST_F(ProxyTest, WithoutProxiesAHeaderIsNoXml) {
  EdgeHarness edge;
  Client client(edge.port());
  client.Send(ProxyV4("203.0.113.7") + HeaderFor(kHost));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "not-well-formed");
}

TEST_F(ProxyTest, ATrustedProxyMustSendAHeader) {
  EdgeHarness edge(Trusting("127.0.0.1"));
  Client xml(edge.port());
  xml.Send(HeaderFor(kHost));
  EXPECT_EQ(xml.Rest(), "");
  Client first_version(edge.port());
  first_version.Send("PROXY TCP4 203.0.113.7 192.0.2.1 4711 5222\r\n");
  EXPECT_EQ(first_version.Rest(), "");
  Client nobody(edge.port());
  nobody.Send(ProxyBytes(0x21, 0x00, ""));
  EXPECT_EQ(nobody.Rest(), "");
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "malformed") == 3; }));
}

TEST_F(ProxyTest, AHeaderHasToComeInTimeAndToItsEnd) {
  EdgeHarness edge(
      Trusting("127.0.0.1", [](config::Config& config) { config.c2s.proxy_timeout = std::chrono::milliseconds(500); }));
  Client silent(edge.port());
  EXPECT_EQ(silent.Rest(), "");
  Client slow(edge.port());
  slow.Send(ProxyV4("203.0.113.7").substr(0, 20));
  EXPECT_EQ(slow.Rest(), "");
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "timeout") == 2; }));
}

TEST_F(ProxyTest, HalfAHeaderThatEndsIsCounted) {
  EdgeHarness edge(Trusting("127.0.0.1"));
  {
    Client half(edge.port());
    half.Send(ProxyV4("203.0.113.7").substr(0, 20));
  }
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "incomplete") == 1; }));
}

TEST_F(ProxyTest, TheProxysOwnConnectionsHaveItsAddress) {
  EdgeHarness edge(Trusting("127.0.0.1"));
  Client check(edge.port());
  check.Send(ProxyBytes(0x20, 0x00, ""));
  check.Start();
  EXPECT_EQ(AddressOfLastBind(edge), "127.0.0.1");
  EXPECT_TRUE(edge.Eventually([&] { return Headers(edge, "local") == 1; }));
}

}  // namespace
}  // namespace parley::c2s::testing

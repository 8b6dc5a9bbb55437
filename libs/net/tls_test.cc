// TLS against OpenSSL's client, over sockets.
#include "libs/net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>

#include "libs/net/tls_harness.h"

namespace parley::net::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST_F(TlsTest, DirectTlsWithAlpn) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls({.sni = "example.org", .alpn = {"h2", "xmpp-client"}, .ca_pem = hosts_.ca().pem()}))
        << client.error();
    EXPECT_EQ(client.alpn(), "xmpp-client");
    EXPECT_EQ(client.version(), "TLSv1.3");
    EXPECT_EQ(Echo(client, "hello"), "hello");
  });
  EXPECT_TRUE(server.end().connection->secure());
  EXPECT_EQ(server.end().secured, 1);
  EXPECT_EQ(server.end().tls.version, "TLSv1.3");
  EXPECT_EQ(server.end().tls.sni, "example.org");
  EXPECT_THAT(server.end().tls.cipher, StartsWith("TLS_"));
  EXPECT_THAT(server.end().tls.peer_certificate_der, IsEmpty());
}

TEST_F(TlsTest, DirectTlsWithoutAlpnIsServed) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls()) << client.error();
    EXPECT_EQ(Echo(client, "hello"), "hello");
  });
}

TEST_F(TlsTest, DirectTlsForAnotherProtocolIsRefused) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    EXPECT_FALSE(client.StartTls({.alpn = {"http/1.1"}}));
    EXPECT_THAT(client.error(), HasSubstr("no application protocol"));
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_THAT(server.end().close_reason, StartsWith("tls: "));
}

TEST_F(TlsTest, StartTlsUpgradesAndIgnoresOtherAlpn) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Upgrade(contexts, "example.org"));
  server.Serve([&] {
    TlsClient client(server.port());
    EXPECT_EQ(Echo(client, "plain"), "plain");
    client.Send("starttls");
    EXPECT_EQ(client.ReceiveExactly(7), "proceed");
    ASSERT_TRUE(client.StartTls({.alpn = {"http/1.1"}, .ca_pem = hosts_.ca().pem()})) << client.error();
    EXPECT_EQ(client.alpn(), "");
    EXPECT_EQ(Echo(client, "secret"), "secret");
  });
  EXPECT_EQ(server.end().received, "plainstarttlssecret");
}

// What is written between StartTls() and the end of the handshake is for after it.
TEST_F(TlsTest, WritesDuringTheHandshakeAreProtected) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server([&](ServerEnd& end) {
    end.on_bytes = [&](std::string_view) {
      end.connection->Write("proceed");
      end.connection->StartTls(contexts, "");
      end.connection->Write("welcome");
    };
    end.connection->Start();
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("starttls");
    EXPECT_EQ(client.ReceiveExactly(7), "proceed");
    ASSERT_TRUE(client.StartTls()) << client.error();
    EXPECT_EQ(client.ReceiveExactly(7), "welcome");
  });
}

// Bytes in clear behind the request (injection) must not come out of the protected stream.
TEST_F(TlsTest, PlainBytesBeforeTheHandshakeBreakIt) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Upgrade(contexts, "example.org"));
  server.Serve([&] {
    TlsClient client(server.port());
    client.Send("starttls");
    EXPECT_EQ(client.ReceiveExactly(7), "proceed");
    client.Send("<message>injected</message>");
    EXPECT_FALSE(client.StartTls());
    EXPECT_TRUE(server.Eventually([&] { return server.end().closed == 1; }));
  });
  EXPECT_EQ(server.end().received, "starttls");
  EXPECT_THAT(server.end().close_reason, StartsWith("tls: "));
}

TEST_F(TlsTest, CertificateFollowsSniThenTheStreamHeaderThenTheFirst) {
  const TlsContexts contexts({hosts_.Add("one.example"), hosts_.Add("two.example"), hosts_.Add("bücher.example")}, {});
  Server server(Upgrade(contexts, "two.example"));
  const auto name_for = [&](const std::string& sni) {
    TlsClient client(server.port());
    client.Send("starttls");
    client.ReceiveExactly(7);
    EXPECT_TRUE(client.StartTls({.sni = sni})) << client.error();
    return client.common_name();
  };
  server.Serve([&] {
    EXPECT_EQ(name_for("one.example"), "one.example");
    EXPECT_EQ(name_for("ONE.Example"), "one.example");
    EXPECT_EQ(name_for("two.example"), "two.example");
    EXPECT_EQ(name_for("xn--bcher-kva.example"), "bücher.example");
    EXPECT_EQ(name_for("other.example"), "two.example");
    EXPECT_EQ(name_for(""), "two.example");
  });
  Server direct(Direct(contexts));
  direct.Serve([&] {
    TlsClient client(direct.port());
    EXPECT_TRUE(client.StartTls({.sni = "other.example"}));
    EXPECT_EQ(client.common_name(), "one.example");
  });
}

TEST_F(TlsTest, PrefersTheCipherThatCostsLeast) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls({.version = TLS1_3_VERSION})) << client.error();
    EXPECT_STREQ(SSL_get_cipher_name(client.ssl()), "TLS_AES_128_GCM_SHA256");
  });
}

// How many times the server had to send until the handshake was done and a word was answered.
std::uint32_t SegmentsOfAVisit(int port) {
  TlsClient client(port);
  EXPECT_TRUE(client.StartTls({.version = TLS1_3_VERSION})) << client.error();
  EXPECT_TRUE(client.Send("hello"));
  EXPECT_EQ(client.ReceiveExactly(5), "hello");
  EXPECT_NE(SSL_SESSION_has_ticket(client.session().get()), 0);
  tcp_info info{};
  socklen_t size = sizeof info;
  getsockopt(client.fd(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info.tcpi_data_segs_in;
}

TEST_F(TlsTest, ATicketLeavesWithWhatIsSaidNext) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    // The kernel waits for what is said next, but not longer than 200 ms.
    std::uint32_t least = SegmentsOfAVisit(server.port());
    for (int tries = 0; tries < 50 && least > 2; ++tries) least = std::min(least, SegmentsOfAVisit(server.port()));
    EXPECT_EQ(least, 2);
  });
}

TEST_F(TlsTest, MinimumVersionIsKept) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {.min_version = "1.3"});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    EXPECT_FALSE(client.StartTls({.version = TLS1_2_VERSION}));
    EXPECT_THAT(client.error(), HasSubstr("protocol version"));
  });
}

TEST_F(TlsTest, RenegotiationIsRefused) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls({.version = TLS1_2_VERSION}));
    EXPECT_EQ(Echo(client, "x"), "x");
    SSL_renegotiate(client.ssl());
    EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
  });
}

TEST_F(TlsTest, ClientCertificatesTellTheirXmppAddresses) {
  const CertificateAuthority client_ca("Client CA");
  const Certificate certificate = client_ca.Issue({.common_name = "juliet",
                                                   .dns_names = {"unrelated.example"},
                                                   .xmpp_addresses = {"juliet@example.org", "jülia@example.org"}});
  const TlsContexts contexts({hosts_.Add("plain.example"), hosts_.Add("example.org", client_ca.pem())}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient client(server.port());
    ASSERT_TRUE(client.StartTls({.sni = "example.org", .certificate = certificate})) << client.error();
    EXPECT_EQ(Echo(client, "x"), "x");
    TlsClient unasked(server.port());
    ASSERT_TRUE(unasked.StartTls({.sni = "plain.example", .certificate = certificate})) << unasked.error();
    EXPECT_EQ(Echo(unasked, "x"), "x");
    TlsClient without(server.port());
    ASSERT_TRUE(without.StartTls({.sni = "example.org"})) << without.error();
    EXPECT_EQ(Echo(without, "x"), "x");
  });
  EXPECT_FALSE(server.end(0).tls.peer_certificate_der.empty());
  EXPECT_THAT(server.end(0).tls.peer_xmpp_addrs, ElementsAre("juliet@example.org", "jülia@example.org"));
  EXPECT_THAT(server.end(1).tls.peer_certificate_der, IsEmpty());
  EXPECT_THAT(server.end(2).tls.peer_certificate_der, IsEmpty());
}

TEST_F(TlsTest, CertificatesThatDoNotVerifyCountAsNone) {
  const CertificateAuthority client_ca("Client CA");
  const CertificateAuthority stranger("Stranger");
  const Certificate forged = stranger.Issue({.common_name = "x", .xmpp_addresses = {"juliet@example.org"}});
  const Certificate expired = client_ca.Issue(
      {.common_name = "x", .xmpp_addresses = {"juliet@example.org"}, .valid_for = std::chrono::seconds(-60)});
  const TlsContexts contexts({hosts_.Add("example.org", client_ca.pem())}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    for (const auto& certificate : {forged, expired}) {
      TlsClient client(server.port());
      ASSERT_TRUE(client.StartTls({.certificate = certificate})) << client.error();
      EXPECT_EQ(Echo(client, "x"), "x");
    }
  });
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(server.end(i).secured, 1);
    EXPECT_THAT(server.end(i).tls.peer_certificate_der, IsEmpty());
    EXPECT_THAT(server.end(i).tls.peer_xmpp_addrs, IsEmpty());
  }
}

TEST_F(TlsTest, GarbageInsteadOfAHandshakeEndsTheConnection) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  const std::vector<std::string> garbage = {"GET / HTTP/1.1\r\n\r\n", "<?xml version='1.0'?><stream:stream>",
                                            std::string(20000, '\xff'),
                                            std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10)};
  server.Serve([&] {
    for (std::size_t i = 0; i < garbage.size(); ++i) {
      TlsClient client(server.port());
      client.Send(garbage[i]);
      EXPECT_TRUE(server.Eventually([&] { return server.ends() == i + 1 && server.end(i).closed == 1; })) << i;
      EXPECT_THAT(server.OnLoop([&] { return server.end(i).close_reason; }), StartsWith("tls: ")) << i;
    }
  });
}

TEST_F(TlsTest, AClientThatLeavesDuringTheHandshake) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    {
      TlsClient client(server.port());
      client.Send(std::string("\x16\x03\x01", 3));
    }
    EXPECT_TRUE(server.Eventually([&] { return server.ends() == 1 && server.end(0).closed == 1; }));
    TlsClient client(server.port());
    client.Send(std::string("\x16\x03\x01", 3));
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 2; }));
    client.Reset();
    EXPECT_TRUE(server.Eventually([&] { return server.end(1).closed == 1; }));
  });
  EXPECT_EQ(server.end(0).close_reason, "closed");
  EXPECT_EQ(server.end(0).secured, 0);
}

TEST_F(TlsTest, AbortAndCloseDuringTheHandshake) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient first(server.port());
    TlsClient second(server.port());
    TlsClient third(server.port());
    for (auto* client : {&first, &second, &third}) client->Send(std::string("\x16\x03\x01", 3));
    ASSERT_TRUE(server.Eventually([&] { return server.ends() == 3; }));
    server.OnLoop([&] {
      server.end(0).connection->Abort();
      server.end(1).connection->Write("for later");
      server.end(1).connection->Close(milliseconds(50));
      server.end(2).connection.reset();
    });
    EXPECT_TRUE(server.Eventually([&] { return server.end(0).closed == 1 && server.end(1).closed == 1; }));
    EXPECT_EQ(second.ReceiveAll(), "");
  });
  EXPECT_EQ(server.end(0).close_reason, "aborted");
  EXPECT_EQ(server.end(2).closed, 0);
}

TEST_F(TlsTest, ConnectionsMayBeDestroyedInOnSecured) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server([&](ServerEnd& end) {
    end.on_secured = [&] { end.connection.reset(); };
    end.connection->Start();
    end.connection->StartTls(contexts, "");
  });
  server.Serve([&] {
    TlsClient client(server.port());
    client.StartTls();
    client.Send("x");
    EXPECT_TRUE(server.Eventually([&] { return server.end().connection == nullptr; }));
  });
  EXPECT_EQ(server.end().closed, 0);
}

TEST_F(TlsTest, ManyTlsConnections) {
  constexpr int kConnections = 100;
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    std::vector<std::unique_ptr<TlsClient>> clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(std::make_unique<TlsClient>(server.port()));
      ASSERT_TRUE(clients.back()->StartTls()) << clients.back()->error();
    }
    for (int round = 0; round < 3; ++round) {
      for (auto& client : clients) client->Send("ping");
      for (auto& client : clients) EXPECT_EQ(client->ReceiveExactly(4), "ping");
    }
  });
}

TEST_F(TlsTest, ReloadServesTheNewCertificateAndLeavesConnectionsAlone) {
  TlsContexts contexts({hosts_.Add("example.org"), hosts_.Add("other.example")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    TlsClient before(server.port());
    ASSERT_TRUE(before.StartTls({.sni = "example.org"}));
    EXPECT_EQ(before.common_name(), "example.org");
    TlsClient during(server.port());  // connected, handshake after the reload
    hosts_.Renew("example.org", "renewed");
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), ElementsAre("example.org"));
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), IsEmpty());
    ASSERT_TRUE(during.StartTls({.sni = "example.org"})) << during.error();
    EXPECT_EQ(during.common_name(), "renewed");
    EXPECT_EQ(Echo(before, "still here"), "still here");
  });
}

TEST_F(TlsTest, AReloadThatFailsKeepsTheOldCertificateAndIsTriedAgainAfterAChange) {
  TlsContexts contexts({hosts_.Add("example.org")}, {});
  Server server(Direct(contexts));
  server.Serve([&] {
    const std::string file = hosts_.File("example.org", "crt");
    const Certificate other = hosts_.ca().Issue({.common_name = "halfway", .dns_names = {"example.org"}});
    hosts_.files().Write("example.org.crt", other.certificate);  // its key follows later
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), IsEmpty());
    TlsClient meanwhile(server.port());
    ASSERT_TRUE(meanwhile.StartTls());
    EXPECT_EQ(meanwhile.common_name(), "example.org");
    hosts_.files().Write("example.org.key", other.key);
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), ElementsAre("example.org"));
    std::filesystem::remove(file);
    EXPECT_THAT(server.OnLoop([&] { return contexts.Reload(); }), IsEmpty());
    TlsClient after(server.port());
    ASSERT_TRUE(after.StartTls());
    EXPECT_EQ(after.common_name(), "halfway");
  });
}

// Kubernetes changes a mounted secret by turning a symbolic link to a new directory.
TEST_F(TlsTest, ReloadSeesExchangedLinks) {
  TlsHost host = hosts_.Add("example.org");
  const std::string link = hosts_.files().path() + "/current";
  const auto turn_to = [&](const std::string& name) {
    const std::string directory = hosts_.files().path() + "/" + name;
    std::filesystem::create_directory(directory);
    const Certificate issued = hosts_.ca().Issue({.common_name = name, .dns_names = {"example.org"}});
    hosts_.files().Write(name + "/tls.crt", issued.certificate);
    hosts_.files().Write(name + "/tls.key", issued.key);
    std::filesystem::create_symlink(directory, link + ".new");
    std::filesystem::rename(link + ".new", link);
  };
  turn_to("v1");
  host.certificate_file = link + "/tls.crt";
  host.key_file = link + "/tls.key";
  TlsContexts contexts({host}, {});
  EXPECT_THAT(contexts.Reload(), IsEmpty());
  turn_to("v2");
  EXPECT_THAT(contexts.Reload(), ElementsAre("example.org"));
}

TEST_F(TlsTest, ExpiryIsKnown) {
  const TlsContexts contexts({hosts_.Add("example.org")}, {});
  const auto now = std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_NEAR(static_cast<double>(contexts.ExpiresAt("example.org") - now), 24 * 3600, 60);
}

class TlsErrorTest : public TlsTest {
 protected:
  static std::string ErrorOf(const TlsHost& host, const TlsOptions& options = {}) {
    try {
      const TlsContexts contexts({host}, options);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
};

TEST_F(TlsErrorTest, ErrorsNameTheFileAndTheRemedy) {
  const TlsHost good = hosts_.Add("example.org");
  TlsHost host = good;
  host.certificate_file = "";
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr("example.org"), HasSubstr("set certificate_file")));
  host.certificate_file = "/nonexistent/tls.crt";
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr("/nonexistent/tls.crt"), HasSubstr("No such file")));
  host.certificate_file = good.key_file;
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr(good.key_file), HasSubstr("PEM")));
  host = good;
  host.key_file = good.certificate_file;
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr("key file " + good.certificate_file), HasSubstr("private key")));
  host.key_file = hosts_.Add("other.example").key_file;
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr(host.key_file), HasSubstr("does not belong to")));
  host = good;
  host.client_ca_file = good.key_file;
  EXPECT_THAT(ErrorOf(host), AllOf(HasSubstr("client CA file " + good.key_file), HasSubstr("CA certificates")));
}

TEST_F(TlsErrorTest, ErrorsNameImpossibleOptions) {
  const TlsHost host = hosts_.Add("example.org");
  EXPECT_THAT(ErrorOf(host, {.min_version = "1.1"}), HasSubstr("\"1.1\""));
  EXPECT_THAT(ErrorOf(host, {.ciphers = "ROT13"}), HasSubstr("\"ROT13\""));
  EXPECT_THAT(ErrorOf(host, {.cipher_suites = "TLS_ROT13"}), HasSubstr("\"TLS_ROT13\""));
}

}  // namespace
}  // namespace parley::net::test

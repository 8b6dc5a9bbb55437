// Session tickets on two servers, as on two nodes of a cluster, against OpenSSL's client.
#include "libs/net/tls_tickets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "libs/net/connection_harness.h"

namespace parley::net::test {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Session = std::shared_ptr<SSL_SESSION>;

// A server with contexts of its own.
struct Node {
  Node(const std::vector<TlsHost>& hosts, const TlsOptions& options)
      : contexts(hosts, options), server([this](ServerEnd& end) {
          end.on_bytes = [&end](std::string_view bytes) { end.connection->Write(bytes); };
          end.connection->Start();
          end.connection->StartTls(contexts, "");
        }) {}

  ServerEnd& last_end() { return server.end(server.ends() - 1); }
  const TlsInfo& last() { return last_end().tls; }

  TlsContexts contexts;
  Server server;
};

class TicketsTest : public ::testing::TestWithParam<int> {
 protected:
  std::string WriteKeys(const std::string& name, const std::string& bytes) const {
    const std::string file = hosts_.files().Write(name, bytes);
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return file;
  }
  static std::string Key(char fill) { return std::string(sizeof(TicketKey), fill); }
  static TlsOptions With(const std::string& key_file) {
    TlsOptions options;
    options.ticket_key_file = key_file;
    return options;
  }

  // A connection that ends well; the session that the server gave.
  Session Visit(Node& node, const Session& resume = nullptr, const Certificate& certificate = {}) {
    Session session;
    node.server.Serve([&] {
      TlsClient client(node.server.port());
      ASSERT_TRUE(client.StartTls(
          {.sni = "example.org", .certificate = certificate, .version = GetParam(), .resume = resume.get()}))
          << client.error();
      ASSERT_TRUE(client.Send("x"));
      EXPECT_EQ(client.ReceiveExactly(1), "x");
      session = client.session();
      end_point_ = client.end_point();
      client.SendEnd();  // OpenSSL forgets the sessions of connections that were cut off
      client.ReceiveAll();
    });
    EXPECT_EQ(node.last().end_point, end_point_);
    return session;
  }

  Hosts hosts_;
  std::string end_point_;  // as the last client knows it
};

TEST_P(TicketsTest, ASessionIsResumedOnEveryNodeWithTheSameKeys) {
  const auto options = With(WriteKeys("keys", Key('a')));
  const std::vector<TlsHost> served = {hosts_.Add("first.example"), hosts_.Add("example.org")};
  Node one(served, options);
  Node two(served, options);
  const Session session = Visit(one);
  EXPECT_FALSE(one.last().resumed);
  const Session again = Visit(two, session);
  EXPECT_TRUE(two.last().resumed);
  Visit(one, again);
  EXPECT_TRUE(one.last().resumed);
  EXPECT_NE(one.last_end().exporter, two.last_end().exporter);
  EXPECT_NE(one.last().unique, two.last().unique);
}

TEST_P(TicketsTest, WithoutAFileEachNodeHasAKeyOfItsOwn) {
  const std::vector<TlsHost> served = {hosts_.Add("example.org")};
  Node one(served, {});
  Node two(served, {});
  const Session session = Visit(one);
  Visit(two, session);
  EXPECT_FALSE(two.last().resumed);
  Visit(one, session);
  EXPECT_TRUE(one.last().resumed);
}

TEST_P(TicketsTest, RotationKeepsOldTicketsUntilTheirKeyIsGone) {
  const std::string file = WriteKeys("keys", Key('a'));
  const std::vector<TlsHost> served = {hosts_.Add("example.org")};
  Node node(served, With(file));
  const Session old = Visit(node);
  WriteKeys("keys", Key('b') + Key('a'));
  EXPECT_THAT(node.contexts.Reload(), IsEmpty());
  const Session renewed = Visit(node, old);
  EXPECT_TRUE(node.last().resumed);
  WriteKeys("keys", Key('c') + Key('b') + Key('d'));
  node.contexts.Reload();
  Visit(node, old);
  EXPECT_FALSE(node.last().resumed);
  Visit(node, renewed);  // the client that came meanwhile got one of the newer key
  EXPECT_TRUE(node.last().resumed);
}

TEST_P(TicketsTest, AFileThatDoesNotLoadLeavesTheOldKeys) {
  const std::string file = WriteKeys("keys", Key('a'));
  const std::vector<TlsHost> served = {hosts_.Add("example.org")};
  Node node(served, With(file));
  Session session = Visit(node);
  WriteKeys("keys", Key('b') + "half");
  node.contexts.Reload();
  session = Visit(node, session);
  EXPECT_TRUE(node.last().resumed);
  std::filesystem::remove(file);
  node.contexts.Reload();
  Visit(node, session);
  EXPECT_TRUE(node.last().resumed);
}

// The client goes on with the certificate of the first handshake: RFC 5929's end point is that one's.
TEST_P(TicketsTest, TheEndPointIsThatOfTheCertificateWhichTheClientHasSeen) {
  const std::string file = WriteKeys("keys", Key('a'));
  const std::vector<TlsHost> served = {hosts_.Add("example.org")};
  Node one(served, With(file));
  const Session session = Visit(one);
  const std::string seen = end_point_;
  hosts_.Renew("example.org", "renewed");
  Node two(served, With(file));
  const Session again = Visit(two, session);
  EXPECT_TRUE(two.last().resumed);
  EXPECT_EQ(two.last().end_point, seen);
  Visit(two, again);
  EXPECT_TRUE(two.last().resumed);
  EXPECT_EQ(two.last().end_point, seen);
  Visit(two);
  EXPECT_NE(two.last().end_point, seen);
}

TEST_P(TicketsTest, AResumedSessionKnowsTheClientsCertificate) {
  const CertificateAuthority client_ca("Client CA");
  const Certificate juliet = client_ca.Issue({.common_name = "juliet", .xmpp_addresses = {"juliet@example.org"}});
  const auto options = With(WriteKeys("keys", Key('a')));
  const std::vector<TlsHost> served = {hosts_.Add("first.example"), hosts_.Add("example.org", client_ca.pem())};
  Node one(served, options);
  Node two(served, options);
  const Session session = Visit(one, nullptr, juliet);
  Visit(two, session, juliet);
  EXPECT_TRUE(two.last().resumed);
  EXPECT_EQ(two.last().peer_certificate_der, one.last().peer_certificate_der);
  EXPECT_THAT(two.last().peer_xmpp_addrs, ElementsAre("juliet@example.org"));
}

TEST_P(TicketsTest, AResumedSessionDoesNotOutliveTheClientsCertificate) {
  const CertificateAuthority client_ca("Client CA");
  const Certificate brief =
      client_ca.Issue({.common_name = "juliet", .xmpp_addresses = {"juliet@example.org"}, .valid_for = seconds(3)});
  Node node({hosts_.Add("example.org", client_ca.pem())}, With(WriteKeys("keys", Key('a'))));
  Session session = Visit(node, nullptr, brief);
  EXPECT_THAT(node.last().peer_xmpp_addrs, ElementsAre("juliet@example.org"));
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  while (!node.last().peer_xmpp_addrs.empty() && std::chrono::steady_clock::now() < deadline) {
    session = Visit(node, session, brief);
  }
  EXPECT_TRUE(node.last().resumed);
  EXPECT_THAT(node.last().peer_xmpp_addrs, IsEmpty());
  EXPECT_THAT(node.last().peer_certificate_der, IsEmpty());
}

TEST_P(TicketsTest, OtherAuthoritiesForClientsEndSessionsThatTheOldOnesVouchedFor) {
  const CertificateAuthority old_ca("Old CA");
  const CertificateAuthority new_ca("New CA");
  const Certificate juliet = old_ca.Issue({.common_name = "juliet", .xmpp_addresses = {"juliet@example.org"}});
  Node node({hosts_.Add("example.org", old_ca.pem())}, With(WriteKeys("keys", Key('a'))));
  const Session session = Visit(node, nullptr, juliet);
  EXPECT_THAT(node.last().peer_xmpp_addrs, ElementsAre("juliet@example.org"));
  hosts_.files().Write("example.org.ca", new_ca.pem());
  EXPECT_THAT(node.contexts.Reload(), ElementsAre("example.org"));
  Visit(node, session, juliet);
  EXPECT_FALSE(node.last().resumed);
  EXPECT_THAT(node.last().peer_certificate_der, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, TicketsTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

class TicketKeyFileTest : public ::testing::Test {
 protected:
  static std::string ErrorOf(const std::string& file) {
    try {
      const TicketKeys keys(file);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  }
  TempDirectory files_;
};

TEST_F(TicketKeyFileTest, ErrorsNameTheFileAndTheRemedy) {
  using std::filesystem::perms;
  EXPECT_THAT(ErrorOf("/nonexistent/keys"), AllOf(HasSubstr("/nonexistent/keys"), HasSubstr("openssl rand")));
  const std::string file = files_.Write("keys", std::string(80, 'a'));
  std::filesystem::permissions(file, perms::owner_read | perms::others_read);
  EXPECT_THAT(ErrorOf(file), AllOf(HasSubstr(file), HasSubstr("chmod")));
  std::filesystem::permissions(file, perms::owner_read | perms::owner_write | perms::group_read);
  EXPECT_EQ(ErrorOf(file), "");
  for (const std::size_t size : {0, 48, 81, 80 * 17}) {
    files_.Write("keys", std::string(size, 'a'));
    EXPECT_THAT(ErrorOf(file), AllOf(HasSubstr(file), HasSubstr(std::to_string(size) + " bytes")));
  }
}

}  // namespace
}  // namespace parley::net::test

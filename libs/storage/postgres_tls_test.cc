// PostgreSQL over TLS, with SCRAM and with client certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libs/storage/postgres.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres_server.h"

namespace parley::storage {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kPassword[] = "open 'sesame\\";

class PostgresTlsTest : public testing::Test {
 protected:
  PostgresTlsTest() {
    const auto issued = ca_.Issue({.common_name = "localhost", .dns_names = {"localhost"}});
    ca_file_ = files_.Write("ca.crt", ca_.pem());
    port_ = server_.ListenWithTls(issued, ca_.pem());
    database_ = server_.NewDatabase().database;
    server_.Execute(database_,
                    "SET password_encryption = 'scram-sha-256'; CREATE USER secret PASSWORD "
                    "'open ''sesame\\'; CREATE USER certified");
  }

  PostgresOptions Options() const {
    PostgresOptions options;
    options.host = "localhost";
    options.port = static_cast<std::uint16_t>(port_);
    options.database = database_;
    options.user = "secret";
    options.password = kPassword;
    options.tls = "verify-full";
    options.ca_file = ca_file_;
    return options;
  }

  // How the connection is protected and who we are there; "!" and the reason if there is none.
  static std::string Connect(const PostgresOptions& options) {
    try {
      const auto connection = ConnectPostgres(options);
      pqxx::nontransaction transaction(*connection);
      const auto row = transaction.exec1("SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      return std::string(row[0].c_str()) + " " + row[1].c_str();
    } catch (const pqxx::failure& failure) {
      return std::string("!") + failure.what();
    }
  }

  test::CertificateAuthority ca_;
  test::TempDirectory files_;
  test::PostgresServer server_;
  std::string ca_file_;
  std::string database_;
  int port_ = 0;
};

TEST_F(PostgresTlsTest, VerifiesTheServerAndProvesThePassword) {
  EXPECT_EQ(Connect(Options()), "t secret");
  auto wrong = Options();
  wrong.password = "open barley";
  EXPECT_THAT(Connect(wrong), HasSubstr("password authentication failed"));
}

TEST_F(PostgresTlsTest, AnotherNameOrAuthorityIsRefused) {
  auto address = Options();
  address.host = "127.0.0.1";
  EXPECT_THAT(Connect(address), AllOf(StartsWith("!"), HasSubstr("certificate")));
  auto foreign = Options();
  foreign.ca_file = files_.Write("foreign.crt", test::CertificateAuthority("Foreign CA").pem());
  EXPECT_THAT(Connect(foreign), AllOf(StartsWith("!"), HasSubstr("certificate verify failed")));
}

TEST_F(PostgresTlsTest, WithoutTlsTheServerDoesNotTalk) {
  auto plain = Options();
  plain.tls = "disable";
  EXPECT_THAT(Connect(plain), StartsWith("!"));
}

TEST_F(PostgresTlsTest, ShowsACertificateThatTheServerAsksFor) {
  auto options = Options();
  options.user = "certified";
  options.password.clear();
  EXPECT_THAT(Connect(options), StartsWith("!"));
  const auto issued = ca_.Issue({.common_name = "certified"});
  options.certificate_file = files_.Write("client.crt", issued.certificate);
  options.key_file = files_.Write("client.key", issued.key);
  chmod(options.key_file.c_str(), 0600);
  EXPECT_EQ(Connect(options), "t certified");
}

}  // namespace
}  // namespace parley::storage

// Redis over TLS, with users of its own (ACL).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "libs/storage/redis.h"
#include "tests/support/certificates.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using testing::HasSubstr;

constexpr char kName[] = "redis.stores.example";
constexpr char kPassword[] = "open sesame";

class RedisTlsTest : public testing::Test {
 protected:
  RedisTlsTest() {
    const auto issued = ca_.Issue({.common_name = kName, .dns_names = {kName}});
    certificate_ = files_.Write("redis.crt", issued.certificate);
    key_ = files_.Write("redis.key", issued.key);
    ca_file_ = files_.Write("ca.crt", ca_.pem());
    server_.emplace(std::vector<std::string>{"--tls-port", std::to_string(port_), "--tls-cert-file", certificate_,
                                             "--tls-key-file", key_, "--tls-ca-cert-file", ca_file_,
                                             "--tls-auth-clients", "optional"});
    server_->Call({"ACL", "SETUSER", "parley", "on", std::string(">") + kPassword, "~parley:*", "&__redis__:invalidate",
                   "+@all"});
  }

  RedisOptions Options() const {
    RedisOptions options;
    options.port = static_cast<std::uint16_t>(port_);
    options.tls = true;
    options.server_name = kName;
    options.ca_file = ca_file_;
    options.username = "parley";
    options.password = kPassword;
    return options;
  }

  // What a command gets: its reply's text or, if there is no connection, why.
  std::string Do(const RedisOptions& options, const std::vector<std::string_view>& words) {
    Loop loop;
    Redis redis(loop, options);
    std::optional<std::string> got;
    test::RunUntil(loop, [&] { return redis.up() || Failed(redis, got); });
    if (got) return *got;
    redis.Command(words, [&](const Result<Reply>& reply) { got = reply ? reply->text : reply.error().message(); });
    test::RunUntil(loop, [&] { return got.has_value(); });
    return got.value_or("");
  }
  // A refused command names the last failure to connect.
  static bool Failed(Redis& redis, std::optional<std::string>& got) {
    redis.Command({"PING"}, [&](const Result<Reply>& reply) {
      if (!reply && reply.error().message().find('(') != std::string::npos) got = reply.error().message();
    });
    return got.has_value();
  }

  int port_ = test::FreePort();
  test::CertificateAuthority ca_;
  test::TempDirectory files_;
  std::string certificate_;
  std::string key_;
  std::string ca_file_;
  std::optional<test::RedisServer> server_;
};

TEST_F(RedisTlsTest, AUserMayDoWhatItsRulesSay) {
  EXPECT_EQ(Do(Options(), {"SET", "parley:x", "1"}), "OK");
  EXPECT_THAT(Do(Options(), {"SET", "other:x", "1"}), HasSubstr("NOPERM"));
}

TEST_F(RedisTlsTest, LargeRepliesAndTrackingWork) {
  Loop loop;
  Redis redis(loop, Options());
  std::string changed;
  redis.Track([&](const std::string* key) { changed = key == nullptr ? changed : *key; });
  test::RunUntil(loop, [&] { return redis.up(); });
  const std::string large(3 << 20, 'x');
  std::string got;
  redis.Command({"SET", "parley:large", large}, [](const Result<Reply>&) {});
  redis.Command({"GET", "parley:large"}, [&](const Result<Reply>& reply) { got = reply ? reply->text : ""; });
  test::RunUntil(loop, [&] { return !got.empty(); });
  EXPECT_TRUE(got == large);
  server_->Call({"SET", "parley:large", "other"});
  test::RunUntil(loop, [&] { return changed == "parley:large"; });
}

TEST_F(RedisTlsTest, AWrongPasswordIsRefused) {
  auto options = Options();
  options.password = "open barley";
  EXPECT_THAT(Do(options, {"PING"}), HasSubstr("WRONGPASS"));
}

TEST_F(RedisTlsTest, AnotherNameOrAuthorityIsRefused) {
  auto named = Options();
  named.server_name = "elsewhere.example";
  EXPECT_THAT(Do(named, {"PING"}), HasSubstr("elsewhere.example"));
  auto foreign = Options();
  foreign.ca_file = files_.Write("foreign.crt", test::CertificateAuthority("Foreign CA").pem());
  EXPECT_THAT(Do(foreign, {"PING"}), HasSubstr("certificate"));
  // The system's authorities do not know it either.
  foreign.ca_file.clear();
  EXPECT_THAT(Do(foreign, {"PING"}), HasSubstr("certificate"));
}

TEST_F(RedisTlsTest, FilesThatDoNotLoadAreNamed) {
  auto options = Options();
  options.ca_file = "/nonexistent/ca.crt";
  EXPECT_THAT(Do(options, {"PING"}), HasSubstr("redis.ca_file: /nonexistent/ca.crt"));
}

TEST_F(RedisTlsTest, ShowsACertificateThatRedisAsksFor) {
  server_->Call({"CONFIG", "SET", "tls-auth-clients", "yes"});
  EXPECT_NE(Do(Options(), {"SET", "parley:x", "1"}), "OK");
  auto options = Options();
  options.certificate_file = certificate_;
  options.key_file = key_;
  EXPECT_EQ(Do(options, {"SET", "parley:x", "1"}), "OK");
}

}  // namespace
}  // namespace parley::storage

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <csignal>
#include <future>

#include "libs/rpc/http2_testing.h"
#include "libs/rpc/identity_files.h"
#include "tests/support/certificates.h"

// TLS that agrees on nothing, or on HTTP/2 (ALPN, RFC 9113 section 3.2).
namespace parley::rpc {
namespace {

using namespace testing;

// The other end, by OpenSSL alone, on a thread of its own.
class Stranger {
 public:
  enum class Alpn { kNone, kH2 };
  Stranger(const SSL_METHOD* method, const IdentityFiles::Pem& files, Alpn alpn)
      : context_(SSL_CTX_new(method), SSL_CTX_free) {
    BIO* const certificate = BIO_new_mem_buf(files.certificate.data(), static_cast<int>(files.certificate.size()));
    BIO* const key = BIO_new_mem_buf(files.key.data(), static_cast<int>(files.key.size()));
    X509* const x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* const private_key = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), x509);
    SSL_CTX_use_PrivateKey(context_.get(), private_key);
    X509_free(x509);
    EVP_PKEY_free(private_key);
    BIO_free(certificate);
    BIO_free(key);
    static constexpr unsigned char kH2[] = {2, 'h', '2'};
    if (alpn == Alpn::kH2) SSL_CTX_set_alpn_protos(context_.get(), kH2, sizeof kH2);
  }
  // Takes the socket. The first bytes that are said to it; empty: it is closed before.
  std::string Hear(int fd, int (*handshake)(SSL*)) const {
    ::fcntl(fd, F_SETFL, 0);
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(tls.get(), fd);
    char bytes[1000];
    const int got = handshake(tls.get()) == 1 ? SSL_read(tls.get(), bytes, sizeof bytes) : -1;
    ::close(fd);
    return {bytes, static_cast<std::size_t>(std::max(got, 0))};
  }

 private:
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
};

class PipeTlsTest : public Http2Test {
 protected:
  // OpenSSL's sockets do not.
  PipeTlsTest() { std::signal(SIGPIPE, SIG_IGN); }
  IdentityFiles::Pem Files(const std::string& name) const {
    test::CertificateRequest request;
    request.common_name = name;
    request.dns_names = {name};
    const auto issued = ca_.Issue(request);
    return {issued.certificate, issued.key, ca_.pem()};
  }
  template <class Answer>
  Answer Await(std::future<Answer> answer) {
    Until([&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return answer.get();
  }

  test::CertificateAuthority ca_;
};

TEST_F(PipeTlsTest, WhoDialsHasToNameHttp2) {
  tls_ = PipeTls::ToAccept(Files("router.test"));
  const auto hear = [this](Stranger::Alpn alpn) {
    const Stranger stranger(TLS_client_method(), Files("c2s.test"), alpn);
    return Await(
        std::async(std::launch::async, [&] { return stranger.Hear(RawPeer::Connect(address()), SSL_connect); }));
  };
  EXPECT_NE(hear(Stranger::Alpn::kH2), "");
  EXPECT_EQ(hear(Stranger::Alpn::kNone), "");
  Until([this] { return closed_ == 2; });
  ASSERT_EQ(problems_.size(), 2u);
  EXPECT_NE(problems_.back().find("ALPN"), std::string::npos) << problems_.back();
}

TEST_F(PipeTlsTest, WhoIsDialledHasToAgreeOnHttp2) {
  serves_ = false;
  DialIdentity identity;
  identity.tls = PipeTls::ToDial(Files("c2s.test"));
  identity.peer_name = "router.test";
  const auto talk = Call(*dialled_.emplace_back(Http2::Dial(loop_, address(), identity, options_)));
  Until([this] { return raw_.size() == 1; });
  const Stranger stranger(TLS_server_method(), Files("router.test"), Stranger::Alpn::kNone);
  const int fd = std::exchange(raw_, {})[0];
  EXPECT_EQ(Await(std::async(std::launch::async, [&] { return stranger.Hear(fd, SSL_accept); })), "");
  Until([&] { return talk->ended.has_value(); });
  EXPECT_NE(talk->ended->message.find("ALPN"), std::string::npos) << talk->ended->message;
  EXPECT_TRUE(talk->ended->never_sent);
}

}  // namespace
}  // namespace parley::rpc

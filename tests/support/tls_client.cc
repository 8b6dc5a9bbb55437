#include "tests/support/tls_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <stdexcept>

namespace parley::test {
namespace {

constexpr timeval kTimeout{.tv_sec = 10, .tv_usec = 0};

int ConnectTo(int port, const std::string& address) {
  const bool v6 = address.find(':') != std::string::npos;
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (v6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    *in6 = {.sin6_family = AF_INET6, .sin6_port = htons(static_cast<std::uint16_t>(port))};
    inet_pton(AF_INET6, address.c_str(), &in6->sin6_addr);
    size = sizeof *in6;
  } else {
    auto* in4 = reinterpret_cast<sockaddr_in*>(&storage);
    *in4 = {.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port))};
    inet_pton(AF_INET, address.c_str(), &in4->sin_addr);
    size = sizeof *in4;
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kTimeout, sizeof kTimeout);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    const std::string reason = std::strerror(errno);
    ::close(fd);
    throw std::runtime_error("cannot connect to " + address + ":" + std::to_string(port) + ": " + reason);
  }
  return fd;
}

std::shared_ptr<BIO> Memory(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

void UseCertificate(SSL_CTX* context, const Certificate& certificate) {
  const std::shared_ptr<X509> x509(PEM_read_bio_X509(Memory(certificate.certificate).get(), nullptr, nullptr, nullptr),
                                   X509_free);
  const std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(Memory(certificate.key).get(), nullptr, nullptr, nullptr),
                                      EVP_PKEY_free);
  SSL_CTX_use_certificate(context, x509.get());
  SSL_CTX_use_PrivateKey(context, key.get());
}

void Trust(SSL_CTX* context, const std::string& ca_pem) {
  const std::shared_ptr<X509> ca(PEM_read_bio_X509(Memory(ca_pem).get(), nullptr, nullptr, nullptr), X509_free);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

std::string AlpnList(const std::vector<std::string>& protocols) {
  std::string list;
  for (const auto& protocol : protocols) list += static_cast<char>(protocol.size()) + protocol;
  return list;
}

std::string OpenSslError() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason != nullptr ? reason : "connection lost";
}

}  // namespace

TlsClient::TlsClient(int port, const std::string& address) : fd_(ConnectTo(port, address)) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
}

TlsClient::~TlsClient() { Close(); }

bool TlsClient::StartTls(const TlsClientOptions& options) {
  context_ = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context_.get(), options.version);
    SSL_CTX_set_max_proto_version(context_.get(), options.version);
  }
  if (!options.ca_pem.empty()) Trust(context_.get(), options.ca_pem);
  if (!options.certificate.key.empty()) UseCertificate(context_.get(), options.certificate);
  ssl_ = std::shared_ptr<SSL>(SSL_new(context_.get()), SSL_free);
  SSL_set_fd(ssl_.get(), fd_);
  if (!options.sni.empty()) SSL_set_tlsext_host_name(ssl_.get(), options.sni.c_str());
  const std::string alpn = AlpnList(options.alpn);
  SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                      static_cast<unsigned>(alpn.size()));
  if (options.resume != nullptr) SSL_set_session(ssl_.get(), options.resume);
  ERR_clear_error();
  if (SSL_connect(ssl_.get()) == 1) return true;
  error_ = OpenSslError();
  return false;
}

bool TlsClient::Send(std::string_view bytes) {
  ERR_clear_error();
  if (ssl_) {
    std::size_t sent = 0;
    return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent) == 1;
  }
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string TlsClient::Receive(std::size_t size) {
  ERR_clear_error();
  std::string bytes(size, '\0');
  if (ssl_) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_.get(), bytes.data(), size, &got) != 1) {
      ended_cleanly_ = SSL_get_error(ssl_.get(), 0) == SSL_ERROR_ZERO_RETURN;
      if (!ended_cleanly_) error_ = OpenSslError();
    }
    bytes.resize(got);
    return bytes;
  }
  const ssize_t got = ::recv(fd_, bytes.data(), size, 0);
  ended_cleanly_ = got == 0;
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

std::string TlsClient::ReceiveExactly(std::size_t size) {
  std::string all;
  while (all.size() < size) {
    const std::string some = Receive(std::min<std::size_t>(size - all.size(), 65536));
    if (some.empty()) break;
    all += some;
  }
  return all;
}

std::string TlsClient::ReceiveAll() {
  std::string all;
  for (std::string some = Receive(); !some.empty(); some = Receive()) all += some;
  return all;
}

void TlsClient::SendCloseNotify() {
  ERR_clear_error();
  if (ssl_) SSL_shutdown(ssl_.get());
}

void TlsClient::SendEnd() {
  SendCloseNotify();
  ::shutdown(fd_, SHUT_WR);
}

void TlsClient::Reset() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  Close();
}

void TlsClient::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string TlsClient::common_name() const {
  const std::shared_ptr<X509> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name, sizeof name);
  return name;
}

std::string TlsClient::alpn() const {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  return std::string(reinterpret_cast<const char*>(protocol), size);
}

std::string TlsClient::version() const { return SSL_get_version(ssl_.get()); }

std::string TlsClient::exporter() const {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string binding(32, '\0');
  SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(binding.data()), binding.size(),
                             kLabel.data(), kLabel.size(), reinterpret_cast<const unsigned char*>(""), 0, 1);
  return binding;
}

std::string TlsClient::end_point() const {
  const std::shared_ptr<X509> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate.get(), EVP_sha256(), hash, &size);
  return std::string(reinterpret_cast<char*>(hash), size);
}

bool TlsClient::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

std::shared_ptr<SSL_SESSION> TlsClient::session() const { return {SSL_get1_session(ssl_.get()), SSL_SESSION_free}; }

}  // namespace parley::test

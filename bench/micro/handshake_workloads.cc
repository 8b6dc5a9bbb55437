// The server's part of a full TLS 1.3 handshake, in its two steps: from a ClientHello to what answers it, and from the
// client's Finished to the ticket.
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/micro/workloads.h"
#include "libs/net/tls_session.h"
#include "tests/support/certificates.h"

namespace parley::bench {
namespace {

constexpr char kDomain[] = "localhost";

// What all handshakes share: an ECDSA P-256 certificate, and a client that resumes nothing.
struct Parties {
  static Parties& The() {
    static Parties parties;
    return parties;
  }

  test::TempDirectory files;
  net::TlsContexts server{{HostIn(files)}, {}};
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> client{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};

 private:
  static net::TlsHost HostIn(const test::TempDirectory& files) {
    const auto issued = test::CertificateAuthority().Issue({.common_name = kDomain, .dns_names = {kDomain}});
    return {.domain = kDomain,
            .certificate_file = files.Write("host.crt", issued.certificate),
            .key_file = files.Write("host.key", issued.key)};
  }
};

// One connection, as an edge has it after STARTTLS. The client's end moves when it is told to.
class Handshake {
 public:
  Handshake() : client_(SSL_new(Parties::The().client.get()), SSL_free) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) != 0)
      throw std::runtime_error("socketpair");
    socket_ = std::make_unique<net::Socket>(ends_[0]);
    SSL_set_fd(client_.get(), ends_[1]);
    SSL_set_tlsext_host_name(client_.get(), kDomain);
    SSL_set_connect_state(client_.get());
  }
  ~Handshake() {
    for (const int end : ends_) ::close(end);
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  void ClientSteps() {
    SSL_do_handshake(client_.get());
    socket_->SetReadable();
  }
  void Answer() {
    server_ = std::make_unique<net::TlsSession>(*socket_, Parties::The().server, kDomain, net::Alpn::kOptional);
    if (server_->Handshake() != net::TlsStatus::kBlockedOnRead) throw std::runtime_error(server_->failure());
  }
  void Finish() {
    if (server_->Handshake() != net::TlsStatus::kDone) throw std::runtime_error(server_->failure());
  }

 private:
  std::array<int, 2> ends_{};
  std::unique_ptr<net::Socket> socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> client_;
  std::unique_ptr<net::TlsSession> server_;
};

Workload Hello() {
  const auto current = std::make_shared<std::unique_ptr<Handshake>>();
  return {"tls_hello", [current] { (*current)->Answer(); },
          [current](const auto& counted) {
            *current = std::make_unique<Handshake>();
            (*current)->ClientSteps();
            counted();
          }};
}

Workload Finished() {
  const auto current = std::make_shared<std::unique_ptr<Handshake>>();
  return {"tls_finished", [current] { (*current)->Finish(); },
          [current](const auto& counted) {
            *current = std::make_unique<Handshake>();
            (*current)->ClientSteps();
            (*current)->Answer();
            (*current)->ClientSteps();
            counted();
          }};
}

}  // namespace

std::vector<Workload> HandshakeWorkloads() { return {Hello(), Finished()}; }

}  // namespace parley::bench

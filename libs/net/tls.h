#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace parley::net {

struct TlsHost {
  std::string domain;
  std::string certificate_file;  // PEM chain
  std::string key_file;
  std::string client_ca_file;  // not empty: ask clients for a certificate (SASL EXTERNAL)
};

struct TlsOptions {
  std::string min_version = "1.2";  // "1.2" or "1.3"
  std::string ciphers;              // TLS 1.2 list; empty: a sensible default
  std::string cipher_suites;        // TLS 1.3; empty: a sensible default
  std::uint32_t tickets = 1;        // session tickets sent after a handshake
  std::string ticket_key_file;      // shared by nodes, see tls_tickets.h; empty: a random key
  std::string alpn = "xmpp-client";
  bool release = true;                  // TLS 1.3: OpenSSL's part of a connection may go, Connection::ReleaseTls()
  std::uint32_t max_without_data = 32;  // records in a row, then; before it is OpenSSL's own limit, the same
};

// Why a connection is closed for TlsOptions::max_without_data (Connection::Reader::OnClosed).
inline constexpr std::string_view kTooManyWithoutData = "tls: too many records without data";

// What a finished handshake tells.
struct TlsInfo {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string sni;
  bool exports = false;   // tls-exporter channel binding can be had (RFC 9266): Connection::TlsExporter()
  std::string end_point;  // tls-server-end-point (RFC 5929)
  // tls-unique (RFC 5929). COMPAT(slixmpp before 1.8.4, others on Python's ssl): they use it over TLS 1.3 too, where no
  // RFC defines it; it then is the client's Finished message, as with TLS 1.2, and just as bound to this handshake.
  std::string unique;
  std::string peer_certificate_der;          // verified against client_ca_file; empty: none
  std::vector<std::string> peer_xmpp_addrs;  // id-on-xmppAddr of the client certificate (XEP-0178)
  bool resumed = false;
};

// The certificates of all hosts, chosen by SNI, then by the host that the stream header named, then the first. Reload()
// takes changed files for new handshakes and leaves running connections alone; a file that does not load keeps the old
// certificate and is reported.
class TlsContexts {
 public:
  // Throws std::runtime_error that names the file and the remedy.
  TlsContexts(std::vector<TlsHost> hosts, TlsOptions options);
  ~TlsContexts();
  // Those hosts whose files changed and were reloaded; errors are logged.
  std::vector<std::string> Reload();
  SSL_CTX* For(std::string_view host) const;
  // nullptr: no such host.
  SSL_CTX* Find(std::string_view host) const;
  const TlsOptions& options() const;
  // Unix seconds; for a metric.
  std::int64_t ExpiresAt(std::string_view domain) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::net

#include "libs/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "libs/base/log.h"
#include "libs/net/tls_handshake.h"
#include "libs/net/tls_info.h"

namespace parley::net {
namespace {

// RFC 9325 4.2: forward secrecy and authenticated encryption only.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
// The key exchange and most certificates are worth 128 bits; SHA-384 costs a tenth of the handshake.
constexpr char kCipherSuites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";
// Seconds. No setting: who comes back later makes a whole handshake, half a millisecond; keys live longer.
constexpr long kSessionLifetime = 12 * 3600;

std::string OpenSslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason != nullptr ? reason : "unknown reason";
  ERR_clear_error();
  return text;
}

[[noreturn]] void Refuse(const TlsHost& host, const std::string& problem) {
  throw std::runtime_error("TLS of host " + host.domain + ": " + problem);
}

void CheckReadable(const TlsHost& host, const std::string& what, const std::string& file, const std::string& key) {
  if (file.empty()) Refuse(host, "no " + what + " configured; set " + key + " to a PEM file");
  if (std::ifstream(file).good()) return;
  Refuse(host, "cannot read the " + what + " " + file + ": " + std::strerror(errno) + "; check " + key +
                   " and the permissions of the file");
}

void LoadCertificate(SSL_CTX* context, const TlsHost& host) {
  CheckReadable(host, "certificate file", host.certificate_file, "certificate_file");
  CheckReadable(host, "key file", host.key_file, "key_file");
  if (SSL_CTX_use_certificate_chain_file(context, host.certificate_file.c_str()) != 1) {
    Refuse(host, "the certificate file " + host.certificate_file + " does not load (" + OpenSslReason() +
                     "); it must hold the host's certificate and then its intermediates in PEM");
  }
  if (SSL_CTX_use_PrivateKey_file(context, host.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    Refuse(host, "the key file " + host.key_file + " does not load or does not belong to " + host.certificate_file +
                     " (" + OpenSslReason() + "); it must hold that certificate's unencrypted private key in PEM");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    Refuse(host, "the key in " + host.key_file + " does not belong to the certificate in " + host.certificate_file +
                     "; renew both together");
  }
}

// Any certificate may come: what does not verify only means no SASL EXTERNAL (XEP-0178 2), and DescribeTls() asks for
// the result.
int AcceptAnyClient(int, X509_STORE_CTX*) { return 1; }

void AskForClientCertificate(SSL_CTX* context, const TlsHost& host) {
  if (host.client_ca_file.empty()) return;
  CheckReadable(host, "client CA file", host.client_ca_file, "client_ca_file");
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(host.client_ca_file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, host.client_ca_file.c_str()) != 1) {
    Refuse(host, "the client CA file " + host.client_ca_file + " does not load (" + OpenSslReason() +
                     "); it must hold CA certificates in PEM");
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, AcceptAnyClient);
}

void SetProtocol(SSL_CTX* context, const TlsHost& host, const TlsOptions& options) {
  const bool only_new = options.min_version == "1.3";
  if (!only_new && options.min_version != "1.2") {
    Refuse(host, "the lowest version is \"" + options.min_version + "\"; it may be \"1.2\" or \"1.3\"");
  }
  SSL_CTX_set_min_proto_version(context, only_new ? TLS1_3_VERSION : TLS1_2_VERSION);
  const std::string ciphers = options.ciphers.empty() ? kCiphers : options.ciphers;
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    Refuse(host, "no known TLS 1.2 cipher in \"" + ciphers + "\"; see `openssl ciphers`");
  }
  const std::string suites = options.cipher_suites.empty() ? kCipherSuites : options.cipher_suites;
  if (SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
    Refuse(host, "no known TLS 1.3 cipher suite in \"" + suites + "\"; see `openssl ciphers -tls1_3`");
  }
  SSL_CTX_set1_groups_list(context, kGroups);
  // The end of a stream says itself that it is one (RFC 6120 4.4), so truncation needs no close_notify to be noticed.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
}

std::string BytesOf(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// A ticket is valid for one host only, on any node, and while the same CAs vouch for clients: what it remembers of a
// client's certificate was verified against them.
void SetSessionScope(SSL_CTX* context, const TlsHost& host) {
  std::string scope = host.domain;
  if (!host.client_ca_file.empty()) scope += '\0' + BytesOf(host.client_ca_file);
  unsigned char id[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(scope.data()), scope.size(), id);
  SSL_CTX_set_session_id_context(context, id, sizeof id);
}

void SetSessions(SSL_CTX* context, const TlsHost& host, const TlsOptions& options) {
  // Nothing is kept here; tickets hold the sessions.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, kSessionLifetime);
  SetSessionScope(context, host);
  SSL_CTX_set_num_tickets(context, options.tickets);
  if (options.tickets == 0) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

void WarnOfUnfitCertificate(SSL_CTX* context, const TlsHost& host) {
  const std::string name = ToAscii(host.domain);
  X509* certificate = SSL_CTX_get0_certificate(context);
  if (X509_check_host(certificate, name.data(), name.size(), 0, nullptr) != 1) {
    log::Warn("tls_certificate_names_another_host", {{"host", host.domain}, {"file", host.certificate_file}});
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
    log::Warn("tls_certificate_expired", {{"host", host.domain}, {"file", host.certificate_file}});
  }
}

}  // namespace

ContextPtr LoadContext(const TlsHost& host, const TlsOptions& options) {
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) Refuse(host, OpenSslReason());
  SetProtocol(context.get(), host, options);
  SetSessions(context.get(), host, options);
  LoadCertificate(context.get(), host);
  RememberEndPoint(SSL_CTX_get0_certificate(context.get()));
  AskForClientCertificate(context.get(), host);
  InstallHandshakeCallbacks(context.get());
  WarnOfUnfitCertificate(context.get(), host);
  ERR_clear_error();
  return context;
}

std::int64_t ExpiryOf(SSL_CTX* context) {
  std::tm expiry{};
  ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(context)), &expiry);
  return timegm(&expiry);
}

}  // namespace parley::net

#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>

namespace parley::net {

// What OpenSSL tells of a connection's traffic in TLS 1.3, so that others can go on with it: OpenSSL's own state cannot
// be asked for it. The secrets come by the callback for key logs, the numbers of records by the one for messages.
class TlsSecrets {
 public:
  // For the contexts of those connections. The SSL's app data is their ClientHello while they shake hands.
  static void InstallIn(SSL_CTX* context);

  // Watches it from before its handshake; outlives it.
  explicit TlsSecrets(SSL* ssl);
  TlsSecrets(const TlsSecrets&) = delete;
  TlsSecrets& operator=(const TlsSecrets&) = delete;
  ~TlsSecrets();

  // All is known, and the keys are still the first ones.
  bool complete() const { return !client_.empty() && !server_.empty() && !updated_; }
  const std::string& client() const { return client_; }
  const std::string& server() const { return server_; }
  // Records since the secret came into use.
  std::uint64_t received() const { return received_; }
  std::uint64_t sent() const { return sent_; }

 private:
  static void OnKeyLog(const SSL* ssl, const char* line);
  static void OnMessage(int sent, int version, int type, const void* bytes, std::size_t size, SSL* ssl, void* self);

  std::string client_;
  std::string server_;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  bool updated_ = false;
};

}  // namespace parley::net

#pragma once

#include <openssl/types.h>

#include <cstddef>

#include "libs/net/tls_traffic.h"

namespace parley::net {

// What OpenSSL tells of a connection's traffic in TLS 1.3, so that others can go on with it: OpenSSL's own state cannot
// be asked for it. The secrets come by the callback for key logs, the numbers of records by the one for messages.
class TlsSecrets {
 public:
  // Watches it from before its handshake; outlives it. Its app data is its ClientHello while it shakes hands.
  explicit TlsSecrets(SSL* ssl);
  TlsSecrets(const TlsSecrets&) = delete;
  TlsSecrets& operator=(const TlsSecrets&) = delete;
  ~TlsSecrets();

  // All is known, and the keys are still the first ones.
  bool complete() const { return !client_.bytes.empty() && !server_.bytes.empty() && !updated_; }
  const TlsSecret& client() const { return client_; }
  const TlsSecret& server() const { return server_; }

 private:
  static void OnKeyLog(const SSL* ssl, const char* line);
  static void OnMessage(int sent, int version, int type, const void* bytes, std::size_t size, SSL* ssl, void* self);

  TlsSecret client_;
  TlsSecret server_;
  bool updated_ = false;
};

}  // namespace parley::net

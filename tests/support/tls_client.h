#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/certificates.h"

namespace parley::test {

struct TlsClientOptions {
  std::string sni;
  std::vector<std::string> alpn;
  std::string ca_pem;             // empty: trusts anybody
  Certificate certificate;        // empty: none
  int version = 0;                // TLS1_2_VERSION, TLS1_3_VERSION; 0: any
  SSL_SESSION* resume = nullptr;  // of TlsClient::session()
};

// A blocking client on OpenSSL, plain at first. Reads and writes that take longer than ten seconds fail.
class TlsClient {
 public:
  explicit TlsClient(int port, const std::string& address = "127.0.0.1");
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // True if the handshake succeeded; otherwise error() says why.
  bool StartTls(const TlsClientOptions& options = {});
  const std::string& error() const { return error_; }

  bool Send(std::string_view bytes);
  // What comes in one read; empty at the end of the stream or after an error.
  std::string Receive(std::size_t size = 65536);
  std::string ReceiveExactly(std::size_t size);
  // Until the end of the stream.
  std::string ReceiveAll();
  // The last read or close met a proper end: close_notify under TLS, else FIN.
  bool ended_cleanly() const { return ended_cleanly_; }

  void SendEnd();          // FIN, under TLS after close_notify
  void SendCloseNotify();  // only this
  void Reset();            // RST
  void Close();

  std::string common_name() const;  // of the server's certificate
  std::string alpn() const;
  std::string version() const;
  std::string exporter() const;   // RFC 9266
  std::string end_point() const;  // RFC 5929, SHA-256
  bool resumed() const;
  std::shared_ptr<SSL_SESSION> session() const;  // read something first: tickets come late
  int fd() const { return fd_; }
  SSL* ssl() const { return ssl_.get(); }

 private:
  int fd_ = -1;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  std::string error_;
  bool ended_cleanly_ = false;
};

}  // namespace parley::test

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/net/client_hello.h"
#include "libs/net/socket.h"
#include "libs/net/tls.h"
#include "libs/net/tls_records.h"
#include "libs/net/tls_secrets.h"
#include "libs/net/tls_status.h"

namespace parley::net {

// The server's side of TLS on one socket: OpenSSL through a BIO that is the Socket, so that no byte is copied twice and
// no buffer outlives its record; once it is released, of TLS 1.3, TlsRecords.
class TlsSession {
 public:
  using Status = TlsStatus;

  TlsSession(Socket& socket, const TlsContexts& contexts, std::string_view expected_host, Alpn alpn);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  Status Handshake();
  Status Read(char* to, std::size_t size, std::size_t& moved);
  // After a block, call again with at least the same bytes.
  Status Write(std::string_view bytes, std::size_t& moved);
  Status SendCloseNotify();
  // OpenSSL holds bytes: Read() may give some although the socket is drained.
  bool pending() const;
  // Why the last call failed.
  std::string failure() const;

  // nullptr before the handshake is done, and after Release().
  const TlsInfo* info() const { return info_.get(); }
  // tls-exporter channel binding (RFC 9266), where info() says that there is one. Computed anew: few ask for it. Not
  // after Release().
  std::string Exporter() const;
  // All is known that was to be known of the handshake. OpenSSL goes now or, if it is within a record, soon.
  void Release();
  // OpenSSL is gone.
  bool released() const { return records_ != nullptr; }

  // For its BIO.
  Socket& socket() { return socket_; }
  Socket::Push push() const;

 private:
  void ReleaseBetweenRecords();
  Status Failed(int result);

  struct FreeSsl {
    void operator()(SSL* ssl) const;
  };

  Socket& socket_;
  std::unique_ptr<TlsSecrets> secrets_;  // while OpenSSL may go
  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::unique_ptr<TlsRecords> records_;  // instead of it
  std::unique_ptr<ClientHello> hello_;   // during the handshake
  std::unique_ptr<TlsInfo> info_;
  const std::uint32_t max_without_data_;
  bool releasing_ = false;
  bool writing_ = false;  // OpenSSL has a part of a record that the socket did not take
};

}  // namespace parley::net

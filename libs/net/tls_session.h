#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libs/net/client_hello.h"
#include "libs/net/socket.h"
#include "libs/net/tls.h"

namespace parley::net {

// The server's side of TLS on one socket: OpenSSL through a BIO that is the Socket, so that no byte is copied twice and
// no buffer outlives its record.
class TlsSession {
 public:
  enum class Status { kDone, kBlockedOnRead, kBlockedOnWrite, kEnd, kFailed };

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

  // nullptr before the handshake is done, and after ForgetInfo().
  const TlsInfo* info() const { return info_.get(); }
  void ForgetInfo() { info_.reset(); }
  // tls-exporter channel binding (RFC 9266), where info() says that there is one. Computed anew: few ask for it.
  std::string Exporter() const;

  // For its BIO.
  Socket& socket() { return socket_; }
  Socket::Push push() const;

 private:
  Status Failed(int result);

  Socket& socket_;
  SSL* ssl_;
  std::unique_ptr<ClientHello> hello_;  // during the handshake
  std::unique_ptr<TlsInfo> info_;
};

}  // namespace parley::net

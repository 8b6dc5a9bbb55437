#pragma once

#include <boost/asio/ssl/context.hpp>

#include "libs/rpc/pipe.h"

namespace parley::rpc {

// Behind PipeTls.
class PipeTlsContext final : public PipeTls {
 public:
  explicit PipeTlsContext(boost::asio::ssl::context context) : context_(std::move(context)) {}
  // OpenSSL counts its users, and changes nothing that matters.
  boost::asio::ssl::context& context() const { return context_; }

 private:
  mutable boost::asio::ssl::context context_;
};

// Whether the handshake agreed on HTTP/2. It is TLS's only sign of what is spoken: RFC 9113 section 3.2 demands it, and
// gRPC's own library refuses a peer without.
bool SpeaksHttp2(const SSL* tls);
// Of the certificate that the peer showed.
PeerNames NamesIn(X509* certificate);

}  // namespace parley::rpc

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

// Of the certificate that the peer showed.
PeerNames NamesIn(X509* certificate);

}  // namespace parley::rpc

#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <string>

#include "libs/storage/redis.h"

namespace parley::storage {

// TLS over one connection to Redis: its certificate must be signed by a trusted authority and have its name. Files are
// read for each connection, so that renewed ones count from the next.
class RedisTls {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Stream = boost::asio::ssl::stream<Socket&>;

  // Throws std::runtime_error that names the key to change.
  RedisTls(const RedisOptions& options, Socket& socket);
  Stream& stream() { return stream_; }
  // Of a handshake that failed.
  std::string Explain(const boost::system::error_code& error);

 private:
  boost::asio::ssl::context context_;
  Stream stream_;
  std::string name_;
};

}  // namespace parley::storage

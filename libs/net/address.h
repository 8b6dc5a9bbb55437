#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

namespace parley::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // "192.0.2.1", "2001:db8::1"; an IPv4 address mapped into IPv6 as IPv4.
  std::string host() const;
  int port() const;
};

SocketAddress PeerOf(int fd);
SocketAddress LocalOf(int fd);

// Where to listen for "host:port", "[v6]:port" or "*:port" (the unspecified IPv6 address, for both families).
// Throws std::runtime_error that names the text.
SocketAddress ResolveListen(const std::string& listen);

}  // namespace parley::net

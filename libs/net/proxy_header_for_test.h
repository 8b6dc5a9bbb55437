#pragma once

#include <arpa/inet.h>

#include <string>

// For tests: headers of the PROXY protocol, version 2, as load balancers write them.
namespace parley::net::test {

inline std::string ProxyBytes(unsigned version_and_command, unsigned family, const std::string& rest) {
  std::string bytes("\r\n\r\n\0\r\nQUIT\n", 12);
  bytes += static_cast<char>(version_and_command);
  bytes += static_cast<char>(family);
  bytes += static_cast<char>(rest.size() >> 8);
  bytes += static_cast<char>(rest.size() & 0xff);
  return bytes + rest;
}

inline std::string ProxyV4(const std::string& client, const std::string& tlvs = {}) {
  in_addr address{};
  inet_pton(AF_INET, client.c_str(), &address);
  const std::string source(reinterpret_cast<const char*>(&address), sizeof address);
  return ProxyBytes(0x21, 0x11, source + std::string("\x7f\0\0\1\xc0\0\x14\x66", 8) + tlvs);
}

inline std::string ProxyV6(const std::string& client) {
  in6_addr address{};
  inet_pton(AF_INET6, client.c_str(), &address);
  const std::string source(reinterpret_cast<const char*>(&address), sizeof address);
  return ProxyBytes(0x21, 0x21, source + std::string(16, '\1') + "\xc0\1\x14\x66");
}

}  // namespace parley::net::test

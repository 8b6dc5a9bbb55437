#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley::net {

// A range of IP addresses in CIDR notation. IPv4 and IPv6 never match each other; addresses are given as
// SocketAddress::host() writes them, which has no IPv4 mapped into IPv6.
class Network {
 public:
  // "10.0.0.0/8", "2001:db8::/32"; an address alone is itself. Nothing if it is none, or has bits beyond its prefix.
  static std::optional<Network> Parse(std::string_view text);
  bool Contains(const std::string& address) const;

 private:
  int family_ = 0;
  unsigned prefix_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace parley::net

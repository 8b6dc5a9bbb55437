#include "libs/net/network.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <charconv>

namespace parley::net {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

// The family of an address; 0: it is none.
int Read(const std::string& text, Bytes& bytes) {
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), bytes.data()) == 1) return family;
  }
  return 0;
}

bool Bit(const Bytes& bytes, unsigned at) { return (bytes[at / 8] >> (7 - at % 8) & 1) != 0; }

}  // namespace

std::optional<Network> Network::Parse(std::string_view text) {
  Network network;
  const auto slash = text.find('/');
  network.family_ = Read(std::string(text.substr(0, slash)), network.bytes_);
  if (network.family_ == 0) return std::nullopt;
  const unsigned bits = network.family_ == AF_INET ? 32 : 128;
  network.prefix_ = bits;
  if (slash != std::string_view::npos) {
    const auto number = text.substr(slash + 1);
    const auto* end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, network.prefix_);
    if (read.ec != std::errc() || read.ptr != end || network.prefix_ > bits) return std::nullopt;
  }
  for (unsigned at = network.prefix_; at < bits; ++at) {
    if (Bit(network.bytes_, at)) return std::nullopt;
  }
  return network;
}

bool Network::Contains(const std::string& address) const {
  Bytes bytes{};
  if (Read(address, bytes) != family_) return false;
  for (unsigned at = 0; at < prefix_; ++at) {
    if (Bit(bytes, at) != Bit(bytes_, at)) return false;
  }
  return true;
}

}  // namespace parley::net

#include "libs/net/proxy_header.h"

#include <netinet/in.h>

#include <cstring>
#include <utility>

#include "libs/net/address.h"

namespace parley::net {
namespace {

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
// Offsets and values of section 2.2.
constexpr std::size_t kVersionAndCommand = 12;
constexpr std::size_t kFamily = 13;
constexpr std::size_t kLength = 14;
constexpr unsigned kVersion2 = 0x2;
constexpr unsigned kLocal = 0x0;
constexpr unsigned kProxy = 0x1;
constexpr unsigned kTcp4 = 0x11;
constexpr unsigned kTcp6 = 0x21;
// Two addresses and two ports.
constexpr std::size_t kTcp4Bytes = 12;
constexpr std::size_t kTcp6Bytes = 36;

unsigned At(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

template <class Address>
SocketAddress Made(Address address) {
  SocketAddress made;
  std::memcpy(&made.storage, &address, sizeof address);
  made.size = sizeof address;
  return made;
}

std::string Ipv4(const char* bytes) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::memcpy(&address.sin_addr, bytes, sizeof address.sin_addr);
  return Made(address).host();
}

std::string Ipv6(const char* bytes) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::memcpy(&address.sin6_addr, bytes, sizeof address.sin6_addr);
  return Made(address).host();
}

}  // namespace

ProxyHeader::Status ProxyHeader::Bad(std::string problem) {
  problem_ = std::move(problem);
  return Status::kBad;
}

ProxyHeader::Status ProxyHeader::Feed(std::string_view bytes) {
  const bool fixed_known = bytes_.size() >= kFixedBytes;
  bytes_ += bytes;
  // At the first wrong byte: a client's own protocol may be shorter than the header that we wait for.
  const std::string_view begin = std::string_view(bytes_).substr(0, kSignature.size());
  if (!kSignature.starts_with(begin)) return Bad("not the signature of the PROXY protocol, version 2");
  if (!fixed_known && bytes_.size() == kFixedBytes) {
    if (const Status status = ReadFixed(); status != Status::kIncomplete) return status;
  }
  if (bytes_.size() < size_) return Status::kIncomplete;
  return ReadAddress();
}

ProxyHeader::Status ProxyHeader::ReadFixed() {
  if (At(bytes_, kVersionAndCommand) >> 4 != kVersion2) return Bad("not version 2 of the PROXY protocol");
  if ((At(bytes_, kVersionAndCommand) & 0xf) > kProxy) return Bad("neither the command LOCAL nor PROXY");
  size_ = kFixedBytes + (At(bytes_, kLength) << 8 | At(bytes_, kLength + 1));
  if (size_ > max_bytes_) return Bad("a header of " + std::to_string(size_) + " bytes");
  return Status::kIncomplete;
}

ProxyHeader::Status ProxyHeader::ReadAddress() {
  // Whatever it names then is to be ignored.
  if ((At(bytes_, kVersionAndCommand) & 0xf) == kLocal) return Status::kProxy;
  const unsigned family = At(bytes_, kFamily);
  const std::size_t length = size_ - kFixedBytes;
  const char* source = bytes_.data() + kFixedBytes;
  if (family == kTcp4 && length >= kTcp4Bytes) address_ = Ipv4(source);
  if (family == kTcp6 && length >= kTcp6Bytes) address_ = Ipv6(source);
  // An address that we do not know cannot be held to any limit.
  if (address_.empty()) return Bad("no address of a TCP client");
  return Status::kClient;
}

}  // namespace parley::net

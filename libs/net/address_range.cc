#include "libs/net/address_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace parley::net {
namespace {

constexpr int kMapped = 96;  // ::ffff:0:0/96 holds IPv4

std::optional<AddressRange::Bits> ParseAddress(std::string_view text, bool& v4) {
  const std::string copy(text);
  AddressRange::Bits bits{};
  v4 = inet_pton(AF_INET, copy.c_str(), bits.data() + 12) == 1;
  if (v4) {
    bits[10] = bits[11] = 0xFF;
    return bits;
  }
  if (inet_pton(AF_INET6, copy.c_str(), bits.data()) == 1) return bits;
  return std::nullopt;
}

AddressRange::Bits Masked(AddressRange::Bits bits, int prefix) {
  for (int i = 0; i < 16; ++i) {
    const int keep = std::clamp(prefix - i * 8, 0, 8);
    bits[static_cast<std::size_t>(i)] &= static_cast<std::uint8_t>(0xFF00 >> keep);
  }
  return bits;
}

bool IsV4(const AddressRange::Bits& bits, int prefix) {
  const bool zeros = std::all_of(bits.begin(), bits.begin() + 10, [](auto byte) { return byte == 0; });
  return prefix >= kMapped && zeros && bits[10] == 0xFF && bits[11] == 0xFF;
}

}  // namespace

std::optional<AddressRange> AddressRange::Parse(std::string_view text) {
  const auto slash = text.find('/');
  bool v4 = false;
  const auto bits = ParseAddress(text.substr(0, slash), v4);
  if (!bits) return std::nullopt;
  AddressRange network;
  if (slash != text.npos) {
    const auto number = text.substr(slash + 1);
    int length = -1;
    const auto end = std::from_chars(number.data(), number.data() + number.size(), length).ptr;
    if (end != number.data() + number.size() || length < 0 || length > (v4 ? 32 : 128)) return std::nullopt;
    network.prefix_ = v4 ? kMapped + length : length;
  }
  network.bits_ = *bits;
  if (Masked(*bits, network.prefix_) != *bits) return std::nullopt;
  return network;
}

std::string AddressRange::str() const {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = IsV4(bits_, prefix_);
  inet_ntop(v4 ? AF_INET : AF_INET6, bits_.data() + (v4 ? 12 : 0), text, sizeof text);
  if (prefix_ == 128) return text;
  return std::string(text) + "/" + std::to_string(prefix_ - (v4 ? kMapped : 0));
}

bool AddressRanges::Contains(std::string_view address) const {
  if (by_prefix_.empty()) return false;
  bool v4 = false;
  const auto bits = ParseAddress(address, v4);
  if (!bits) return false;
  const auto first = IsV4(*bits, 128) ? by_prefix_.lower_bound(kMapped) : by_prefix_.begin();
  return std::any_of(first, by_prefix_.end(),
                     [&](const auto& entry) { return entry.second.contains(Masked(*bits, entry.first)); });
}

}  // namespace parley::net

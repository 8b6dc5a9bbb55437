#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace parley::net {

// A range of addresses in CIDR notation: "192.0.2.1", "192.0.2.0/24", "2001:db8::/32". An IPv4 address may be written
// as mapped into IPv6 ("::ffff:192.0.2.1") and is the same.
class AddressRange {
 public:
  using Bits = std::array<std::uint8_t, 16>;
  // nullopt: none, or bits are set behind the prefix (more likely a slip than meant).
  static std::optional<AddressRange> Parse(std::string_view text);
  // In its usual form.
  std::string str() const;
  const Bits& bits() const { return bits_; }
  int prefix() const { return prefix_; }  // of 128: IPv4 is kept as mapped into IPv6

 private:
  Bits bits_{};
  int prefix_ = 128;
};

// Asks cost one look-up for each length of prefix that there is. An IPv6 range holds no IPv4 address: "::/0" is all of
// IPv6 and nothing of IPv4, though that is mapped into it.
class AddressRanges {
 public:
  void Add(const AddressRange& network) { by_prefix_[network.prefix()].insert(network.bits()); }
  bool Contains(std::string_view address) const;
  bool empty() const { return by_prefix_.empty(); }

 private:
  std::map<int, std::set<AddressRange::Bits>> by_prefix_;
};

}  // namespace parley::net

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace parley::net {

// The header of the PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2), as it comes from a load
// balancer before the client's own bytes. Version 1 is not taken.
class ProxyHeader {
 public:
  enum class Status {
    kIncomplete,  // read `wanted()` more bytes
    kClient,      // the proxy speaks for a client: `address()`
    kProxy,       // the proxy speaks for itself (LOCAL), as for its health checks
    kBad,         // see `problem()`
  };
  static constexpr std::size_t kFixedBytes = 16;

  explicit ProxyHeader(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Bytes that may be read without reading any of what follows the header.
  std::size_t wanted() const { return size_ - bytes_.size(); }
  // At most `wanted()` bytes. TLVs are skipped.
  Status Feed(std::string_view bytes);
  const std::string& address() const { return address_; }
  const std::string& problem() const { return problem_; }
  bool begun() const { return !bytes_.empty(); }

 private:
  Status ReadFixed();
  Status ReadAddress();
  Status Bad(std::string problem);

  std::size_t max_bytes_;
  std::size_t size_ = kFixedBytes;
  std::string bytes_;
  std::string address_;
  std::string problem_;
};

}  // namespace parley::net

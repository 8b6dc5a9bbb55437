#include "libs/rpc/protocol.h"

#include <algorithm>

#include "libs/base/version.h"
#include "parley/link/v1/link.pb.h"

namespace parley::rpc {
namespace {

std::string ToString(const Protocols& protocols) {
  const auto newest = std::to_string(protocols.newest);
  return protocols.oldest == protocols.newest ? newest : std::to_string(protocols.oldest) + " to " + newest;
}

}  // namespace

Protocols ProtocolsOf(const link::v1::Hello& hello) {
  // Releases up to 0.1 do not say the oldest; they spoke one lower, too.
  if (hello.oldest_protocol() == 0) return {std::max(hello.protocol(), 2u) - 1, hello.protocol()};
  return {hello.oldest_protocol(), hello.protocol()};
}

std::optional<std::uint32_t> Common(const Protocols& one, const Protocols& other) {
  const auto common = std::min(one.newest, other.newest);
  if (common < one.oldest || common < other.oldest) return std::nullopt;
  return common;
}

std::string WhyNone(const link::v1::Hello& hello) {
  const std::string release = hello.version().empty() ? "an unknown release" : "release " + hello.version();
  return "it is of " + release + " and speaks protocol " + ToString(ProtocolsOf(hello)) + ", we are of release " +
         Version() + " and speak " + ToString(kProtocols) + ": upgrade one release at a time";
}

}  // namespace parley::rpc

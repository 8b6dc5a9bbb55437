#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace parley::link::v1 {
class Hello;
}

namespace parley::rpc {

// Which versions of the links' protocol a release speaks (link.proto, "Compatibility").
struct Protocols {
  std::uint32_t oldest = 0;
  std::uint32_t newest = 0;
};

// `newest` is raised when a peer of the previous release could misunderstand; `oldest` follows one release behind.
inline constexpr Protocols kProtocols{1, 1};

Protocols ProtocolsOf(const link::v1::Hello& hello);
// What both speak: the newer of the two speaks as the older does. Nothing if the older does not speak that, or the
// newer does not any more.
std::optional<std::uint32_t> Common(const Protocols& one, const Protocols& other);
// What to tell an operator of a peer that has none in common with us.
std::string WhyNone(const link::v1::Hello& hello);

}  // namespace parley::rpc

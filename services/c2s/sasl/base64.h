#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::c2s {

std::string Base64(std::string_view bytes);
// Strict (RFC 6120 6.4.2, RFC 4648 section 4): padding, no white space, no stray bits. nullopt: incorrect-encoding.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace parley::c2s

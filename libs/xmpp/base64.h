#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley::xmpp {

// RFC 4648 section 4 as SASL wants it (RFC 6120 13.9.1): padded, no white space, nothing but the alphabet.
std::string Base64Encode(std::string_view bytes);
// Strict: also refuses padding bits that are not zero, so that there is one text for one value.
std::optional<std::string> Base64Decode(std::string_view text);

}  // namespace parley::xmpp

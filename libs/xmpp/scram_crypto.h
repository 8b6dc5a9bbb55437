#pragma once

#include <string>
#include <string_view>

#include "libs/xmpp/scram.h"

// What SCRAM calculates (RFC 5802 section 3), on OpenSSL.
namespace parley::xmpp::scram {

std::string Hmac(Hash hash, std::string_view key, std::string_view text);
std::string Digest(Hash hash, std::string_view text);
std::string Xor(std::string_view a, std::string_view b);  // of one length
// Hi(): PBKDF2.
std::string SaltedPassword(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations);
// In time that tells nothing but the lengths.
bool EqualSecrets(std::string_view a, std::string_view b);

}  // namespace parley::xmpp::scram

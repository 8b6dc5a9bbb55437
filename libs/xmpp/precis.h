#pragma once

#include <optional>
#include <string>
#include <string_view>

// PRECIS (RFC 8264): the string classes, and the two profiles of RFC 8265 that XMPP uses. On ICU; ASCII does not come
// here (see jid.cc).
namespace parley::xmpp::precis {

// RFC 8264 section 8, one code point: what the two classes say of it.
enum class Property {
  kValid,         // in both classes
  kContextJ,      // if its rule (RFC 5892 appendix A) holds
  kContextO,      // likewise
  kFreeformOnly,  // FREE_PVAL, ID_DIS
  kDisallowed,
  kUnassigned,
};
Property PropertyOf(char32_t code_point);

enum class StringClass { kIdentifier, kFreeform };
// Every code point is in the class, and the contextual rules hold.
bool InClass(std::u32string_view text, StringClass string_class);
// RFC 5893 section 2: holds for every text without right-to-left characters.
bool BidiRule(std::u32string_view text);

// nullopt: not UTF-8.
std::optional<std::u32string> Decode(std::string_view utf8);

// RFC 8265 section 3.3: width and case are mapped away. Not empty.
std::optional<std::string> UsernameCaseMapped(std::string_view utf8);
// RFC 8265 section 4.2: case kept, any space becomes U+0020. Not empty.
std::optional<std::string> OpaqueString(std::string_view utf8);

}  // namespace parley::xmpp::precis

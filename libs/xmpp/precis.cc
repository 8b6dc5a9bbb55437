#include "libs/xmpp/precis.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

namespace parley::xmpp::precis {
namespace {

// Fullwidth and halfwidth code points to their decomposition (RFC 8264 5.2.1).
std::u32string MapWidth(std::u32string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* nfkc = icu::Normalizer2::getNFKCInstance(status);
  std::u32string mapped;
  for (const char32_t c : text) {
    const int width = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_DECOMPOSITION_TYPE);
    icu::UnicodeString decomposition;
    if ((width == U_DT_WIDE || width == U_DT_NARROW) &&
        nfkc->getRawDecomposition(static_cast<UChar32>(c), decomposition)) {
      for (int i = 0; i < decomposition.length(); i = decomposition.moveIndex32(i, 1)) {
        mapped += static_cast<char32_t>(decomposition.char32At(i));
      }
    } else {
      mapped += c;
    }
  }
  return mapped;
}

icu::UnicodeString ToIcu(std::u32string_view text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), static_cast<int>(text.size()));
}

// NFC; nullopt where ICU fails.
std::optional<std::string> Compose(const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString composed = icu::Normalizer2::getNFCInstance(status)->normalize(text, status);
  if (U_FAILURE(status)) return std::nullopt;
  std::string utf8;
  composed.toUTF8String(utf8);
  return utf8;
}

// The rules in the order of RFC 8264 section 7: what the class says is asked of the result, so that what is canonically
// the same text (Hangul as jamo, say) is taken or refused in all its forms.
std::optional<std::string> UsernameOnce(std::string_view utf8) {
  const auto text = Decode(utf8);
  if (!text || text->empty()) return std::nullopt;
  auto result = Compose(ToIcu(MapWidth(*text)).toLower(icu::Locale::getRoot()));
  const auto mapped = result ? Decode(*result) : std::nullopt;
  if (!mapped || !InClass(*mapped, StringClass::kIdentifier) || !BidiRule(*mapped)) return std::nullopt;
  return result;
}

std::optional<std::string> OpaqueOnce(std::string_view utf8) {
  auto text = Decode(utf8);
  if (!text || text->empty()) return std::nullopt;
  for (char32_t& c : *text) {
    if (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_ZS_MASK) c = U' ';
  }
  auto result = Compose(ToIcu(*text));
  const auto composed = result ? Decode(*result) : std::nullopt;
  if (!composed || !InClass(*composed, StringClass::kFreeform)) return std::nullopt;
  return result;
}

// RFC 8264 section 7: apply the rules until the string no longer changes; one that goes on changing is refused.
template <class Rules>
std::optional<std::string> UntilStable(std::string_view utf8, Rules rules) {
  constexpr int kRounds = 4;
  auto text = rules(utf8);
  for (int round = 1; text && round < kRounds; ++round) {
    auto again = rules(*text);
    if (again == text) return text;
    text = std::move(again);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::u32string> Decode(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  const auto length = static_cast<std::int32_t>(utf8.size());
  for (std::int32_t at = 0; at < length;) {
    UChar32 c = 0;
    U8_NEXT(utf8.data(), at, length, c);
    if (c < 0) return std::nullopt;
    text += static_cast<char32_t>(c);
  }
  return text;
}

std::optional<std::string> UsernameCaseMapped(std::string_view utf8) { return UntilStable(utf8, UsernameOnce); }

std::optional<std::string> OpaqueString(std::string_view utf8) { return UntilStable(utf8, OpaqueOnce); }

}  // namespace parley::xmpp::precis

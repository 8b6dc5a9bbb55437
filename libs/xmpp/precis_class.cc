// What the string classes of RFC 8264 say of code points, and the contextual rules of RFC 5892.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <cstdint>

#include "libs/xmpp/precis.h"

namespace parley::xmpp::precis {
namespace {

constexpr char32_t kZeroWidthNonJoiner = 0x200C;
constexpr char32_t kZeroWidthJoiner = 0x200D;

// RFC 8264 9.6.
std::optional<Property> Exception(char32_t c) {
  switch (c) {
    case 0x00DF:
    case 0x03C2:
    case 0x06FD:
    case 0x06FE:
    case 0x0F0B:
    case 0x3007:
      return Property::kValid;
    case 0x00B7:
    case 0x0375:
    case 0x05F3:
    case 0x05F4:
    case 0x30FB:
      return Property::kContextO;
    case 0x0640:
    case 0x07FA:
    case 0x302E:
    case 0x302F:
    case 0x3031:
    case 0x3032:
    case 0x3033:
    case 0x3034:
    case 0x3035:
    case 0x303B:
      return Property::kDisallowed;
    default:
      break;
  }
  if ((c >= 0x0660 && c <= 0x0669) || (c >= 0x06F0 && c <= 0x06F9)) return Property::kContextO;
  return std::nullopt;
}

// RFC 8264 9.9: a conjoining jamo.
bool OldHangulJamo(char32_t c) {
  const int type = u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_HANGUL_SYLLABLE_TYPE);
  return type == U_HST_LEADING_JAMO || type == U_HST_VOWEL_JAMO || type == U_HST_TRAILING_JAMO;
}

// RFC 8264 9.17.
bool HasCompat(char32_t c) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* nfkc = icu::Normalizer2::getNFKCInstance(status);
  return U_FAILURE(status) || !nfkc->isNormalized(icu::UnicodeString(static_cast<UChar32>(c)), status);
}

Property ByCategory(char32_t c) {
  constexpr std::uint32_t kLetterDigits =
      U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK | U_GC_LM_MASK | U_GC_MN_MASK | U_GC_MC_MASK;  // 9.1
  constexpr std::uint32_t kOthers = U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK;                 // 9.18
  constexpr std::uint32_t kFreeform = kOthers | U_GC_ZS_MASK | U_GC_S_MASK | U_GC_P_MASK;  // 9.14 to 9.16
  const std::uint32_t category = U_GET_GC_MASK(static_cast<UChar32>(c));
  if (category & kLetterDigits) return Property::kValid;
  if (category & kFreeform) return Property::kFreeformOnly;
  return Property::kDisallowed;
}

bool IsVirama(char32_t c) { return u_getCombiningClass(static_cast<UChar32>(c)) == 9; }
UScriptCode ScriptOf(char32_t c) {
  UErrorCode status = U_ZERO_ERROR;
  return uscript_getScript(static_cast<UChar32>(c), &status);
}
int JoiningType(char32_t c) { return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_JOINING_TYPE); }

// RFC 5892 A.1, second part: (L|D) T* ZWNJ T* (R|D).
bool BetweenJoining(std::u32string_view text, std::size_t at) {
  std::size_t left = at;
  while (left > 0 && JoiningType(text[left - 1]) == U_JT_TRANSPARENT) --left;
  std::size_t right = at + 1;
  while (right < text.size() && JoiningType(text[right]) == U_JT_TRANSPARENT) ++right;
  if (left == 0 || right == text.size()) return false;
  const int before = JoiningType(text[left - 1]);
  const int after = JoiningType(text[right]);
  return (before == U_JT_LEFT_JOINING || before == U_JT_DUAL_JOINING) &&
         (after == U_JT_RIGHT_JOINING || after == U_JT_DUAL_JOINING);
}

bool HasDigits(std::u32string_view text, char32_t zero) {
  return std::ranges::any_of(text, [zero](char32_t c) { return c >= zero && c <= zero + 9; });
}

bool HasKanaOrHan(std::u32string_view text) {
  return std::ranges::any_of(text, [](char32_t c) {
    const UScriptCode script = ScriptOf(c);
    return script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || script == USCRIPT_HAN;
  });
}

// RFC 5892 appendix A, for the code point at `at`.
bool ContextHolds(std::u32string_view text, std::size_t at) {
  const char32_t c = text[at];
  const bool first = at == 0;
  const bool last = at + 1 == text.size();
  switch (c) {
    case kZeroWidthNonJoiner:
      return (!first && IsVirama(text[at - 1])) || BetweenJoining(text, at);
    case kZeroWidthJoiner:
      return !first && IsVirama(text[at - 1]);
    case 0x00B7:  // middle dot: between two l
      return !first && !last && text[at - 1] == U'l' && text[at + 1] == U'l';
    case 0x0375:  // keraia: before Greek
      return !last && ScriptOf(text[at + 1]) == USCRIPT_GREEK;
    case 0x05F3:  // geresh, gershayim: after Hebrew
    case 0x05F4:
      return !first && ScriptOf(text[at - 1]) == USCRIPT_HEBREW;
    case 0x30FB:  // katakana middle dot
      return HasKanaOrHan(text);
    default:  // the two sets of Arabic digits do not mix
      return !HasDigits(text, c <= 0x0669 ? 0x06F0 : 0x0660);
  }
}

}  // namespace

Property PropertyOf(char32_t c) {
  if (const auto exception = Exception(c)) return *exception;
  const auto code_point = static_cast<UChar32>(c);
  const bool noncharacter = U_IS_UNICODE_NONCHAR(code_point);
  if (u_charType(code_point) == U_UNASSIGNED && !noncharacter) return Property::kUnassigned;
  if (c >= 0x21 && c <= 0x7E) return Property::kValid;
  if (c == kZeroWidthNonJoiner || c == kZeroWidthJoiner) return Property::kContextJ;
  if (OldHangulJamo(c)) return Property::kDisallowed;
  if (noncharacter || u_hasBinaryProperty(code_point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) return Property::kDisallowed;
  if (u_charType(code_point) == U_CONTROL_CHAR) return Property::kDisallowed;
  if (HasCompat(c)) return Property::kFreeformOnly;
  return ByCategory(c);
}

bool InClass(std::u32string_view text, StringClass string_class) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (PropertyOf(text[at])) {
      case Property::kValid:
        break;
      case Property::kContextJ:
      case Property::kContextO:
        if (!ContextHolds(text, at)) return false;
        break;
      case Property::kFreeformOnly:
        if (string_class == StringClass::kIdentifier) return false;
        break;
      case Property::kDisallowed:
      case Property::kUnassigned:
        return false;
    }
  }
  return true;
}

}  // namespace parley::xmpp::precis

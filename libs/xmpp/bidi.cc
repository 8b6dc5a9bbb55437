// The Bidi Rule of RFC 5893 section 2.
#include <unicode/uchar.h>

#include <cstdint>

#include "libs/xmpp/precis.h"

namespace parley::xmpp::precis {
namespace {

std::uint32_t Bit(UCharDirection direction) { return std::uint32_t{1} << direction; }
std::uint32_t DirectionBit(char32_t c) { return Bit(u_charDirection(static_cast<UChar32>(c))); }

const std::uint32_t kRightToLeft = Bit(U_RIGHT_TO_LEFT) | Bit(U_RIGHT_TO_LEFT_ARABIC);
const std::uint32_t kNeutral = Bit(U_EUROPEAN_NUMBER) | Bit(U_EUROPEAN_NUMBER_SEPARATOR) |
                               Bit(U_EUROPEAN_NUMBER_TERMINATOR) | Bit(U_COMMON_NUMBER_SEPARATOR) |
                               Bit(U_OTHER_NEUTRAL) | Bit(U_BOUNDARY_NEUTRAL) | Bit(U_DIR_NON_SPACING_MARK);

// The last character that is no combining mark (conditions 3 and 6).
std::uint32_t LastBit(std::u32string_view text) {
  while (!text.empty() && DirectionBit(text.back()) == Bit(U_DIR_NON_SPACING_MARK)) text.remove_suffix(1);
  return text.empty() ? 0 : DirectionBit(text.back());
}

}  // namespace

bool BidiRule(std::u32string_view text) {
  std::uint32_t seen = 0;
  for (const char32_t c : text) seen |= DirectionBit(c);
  if (!(seen & (kRightToLeft | Bit(U_ARABIC_NUMBER)))) return true;

  const std::uint32_t first = DirectionBit(text.front());
  const std::uint32_t numbers = Bit(U_EUROPEAN_NUMBER) | Bit(U_ARABIC_NUMBER);
  if (first & kRightToLeft) {
    if (seen & ~(kRightToLeft | kNeutral | Bit(U_ARABIC_NUMBER))) return false;  // condition 2
    if ((seen & numbers) == numbers) return false;                               // condition 4
    return LastBit(text) & (kRightToLeft | numbers);                             // condition 3
  }
  // Conditions 1 and 5: a left-to-right text has no right-to-left character, and nothing else may come first.
  return false;
}

}  // namespace parley::xmpp::precis

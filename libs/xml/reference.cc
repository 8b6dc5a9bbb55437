#include "libs/xml/reference.h"

#include "libs/xml/chars.h"
#include "libs/xml/utf8.h"

namespace parley::xml {
namespace {

constexpr Reference kMalformed{Reference::Kind::kMalformed, 0};

// -1: not a digit of that base.
int DigitOf(char c, int base) {
  if (c >= '0' && c <= '9') return c - '0';
  if (base != 16) return -1;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Reference ParseNumber(std::string_view digits, int base) {
  if (digits.empty()) return kMalformed;
  char32_t code = 0;
  for (const char c : digits) {
    const int digit = DigitOf(c, base);
    if (digit < 0) return kMalformed;
    code = code * base + digit;
    if (code > 0x10FFFF) return kMalformed;
  }
  if (!IsXmlChar(code)) return kMalformed;  // XML 1.0 4.1, WFC: Legal Character
  return {Reference::Kind::kCharacter, code};
}

}  // namespace

Reference ParseReference(std::string_view body) {
  const auto character = [](char32_t code) { return Reference{Reference::Kind::kCharacter, code}; };
  if (body == "lt") return character('<');
  if (body == "gt") return character('>');
  if (body == "amp") return character('&');
  if (body == "apos") return character('\'');
  if (body == "quot") return character('"');
  if (body.starts_with("#x")) return ParseNumber(body.substr(2), 16);
  if (body.starts_with("#")) return ParseNumber(body.substr(1), 10);
  if (body.empty() || body.find('#') != body.npos) return kMalformed;
  if (IsAscii(body[0]) && body[0] != ':' && !Is(body[0], kNameStartByte)) return kMalformed;
  return {Reference::Kind::kEntity, 0};
}

}  // namespace parley::xml

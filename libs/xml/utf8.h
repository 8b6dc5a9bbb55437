#pragma once

#include <string>

// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
namespace parley::xml {

struct Decoded {
  enum class State : unsigned char { kValid, kIncomplete, kInvalid };
  State state = State::kInvalid;
  int size = 0;
  char32_t code = 0;
};

// The character at `p`, which is before `end`. A wrong byte is seen as soon as it is there.
inline Decoded DecodeUtf8(const char* p, const char* end) {
  const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {Decoded::State::kValid, 1, lead};
  if (lead < 0xC2 || lead > 0xF4) return {};
  const int size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code = lead & (0xFF >> (size + 1));
  for (int i = 1; i < size; ++i) {
    if (p + i == end) return {Decoded::State::kIncomplete, 0, 0};
    const unsigned char next = byte(i);
    if ((next & 0xC0) != 0x80) return {};
    if (i == 1) {  // RFC 3629 section 4: the second byte's range depends on the first
      if (lead == 0xE0 && next < 0xA0) return {};
      if (lead == 0xED && next > 0x9F) return {};
      if (lead == 0xF0 && next < 0x90) return {};
      if (lead == 0xF4 && next > 0x8F) return {};
    }
    code = (code << 6) | (next & 0x3F);
  }
  return {Decoded::State::kValid, size, code};
}

// Over characters beyond ASCII, as far as a look at two or three bytes shows that they are valid and XML's; what it
// stops at wants DecodeUtf8.
inline const char* SkipCommonCharacters(const char* p, const char* end) {
  const auto is_tail = [](char c) { return static_cast<signed char>(c) < -0x40; };  // 0x80 to 0xBF
  for (; end - p >= 4;) {
    const auto lead = static_cast<unsigned char>(*p);
    if (lead >= 0xC2 && lead < 0xE0 && is_tail(p[1])) {
      p += 2;
    } else if (lead > 0xE0 && lead < 0xEF && lead != 0xED && is_tail(p[1]) && is_tail(p[2])) {
      p += 3;
    } else {
      break;
    }
  }
  return p;
}

// XML 1.0 production 2 (Char).
inline bool IsXmlChar(char32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  if (code < 0xD800) return true;
  return code > 0xDFFF && code != 0xFFFE && code != 0xFFFF && code <= 0x10FFFF;
}

void AppendUtf8(std::string& out, char32_t code);

}  // namespace parley::xml

#pragma once

#include <array>
#include <cstdint>
#include <cstring>

// What each byte may be in XML, and fast walks over bytes that need no second look.
namespace parley::xml {

enum ByteClass : std::uint8_t {
  kNameStartByte = 1,  // ASCII NCName start
  kNameByte = 2,       // ASCII NCName
  kSpaceByte = 4,      // S
  kTextByte = 8,       // text that ends nothing and needs no check
  kValueByte = 16,     // the same for attribute values
  kReferenceByte = 32  // between & and ;
};

namespace internal {

constexpr bool IsAsciiLetter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool IsAsciiDigit(int c) { return c >= '0' && c <= '9'; }

constexpr std::uint8_t ClassOf(int c) {
  const bool start = IsAsciiLetter(c) || c == '_';
  const bool name = start || IsAsciiDigit(c) || c == '-' || c == '.';
  const bool printable = c >= 0x20 && c < 0x80 && c != '<' && c != '&';
  std::uint8_t bits = 0;
  if (start) bits |= kNameStartByte;
  if (name) bits |= kNameByte;
  if (name || c == '#' || c == ':' || c >= 0x80) bits |= kReferenceByte;
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') bits |= kSpaceByte;
  if (printable && c != ']') bits |= kTextByte;
  if (printable && c != '\'' && c != '"') bits |= kValueByte;
  return bits;
}

constexpr std::array<std::uint8_t, 256> MakeByteTable() {
  std::array<std::uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) table[c] = ClassOf(c);
  return table;
}

inline constexpr std::array<std::uint8_t, 256> kByteTable = MakeByteTable();

// Sixteen bytes at once, by the compilers' portable vectors. Signed, so that one comparison finds control characters
// and bytes beyond ASCII.
using Block = signed char __attribute__((vector_size(16)));

inline Block Load(const char* p) {
  Block block;
  std::memcpy(&block, p, sizeof block);
  return block;
}

inline bool Any(Block block) {
  std::uint64_t words[2];
  std::memcpy(words, &block, sizeof words);
  return (words[0] | words[1]) != 0;
}

constexpr Block Splat(signed char c) { return Block{c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c}; }

}  // namespace internal

inline bool Is(char c, ByteClass what) { return (internal::kByteTable[static_cast<unsigned char>(c)] & what) != 0; }
inline bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }
inline bool IsSpace(char c) { return Is(c, kSpaceByte); }

inline const char* SkipWhile(const char* p, const char* end, ByteClass what) {
  while (p != end && Is(*p, what)) ++p;
  return p;
}

// To the first byte that is not kTextByte.
inline const char* SkipText(const char* p, const char* end) {
  using internal::Splat;
  while (end - p >= 16) {
    const internal::Block block = internal::Load(p);
    if (internal::Any((block < Splat(0x20)) | (block == Splat('<')) | (block == Splat('&')) | (block == Splat(']')))) {
      break;
    }
    p += 16;
  }
  return SkipWhile(p, end, kTextByte);
}

// To the first byte that is not kValueByte.
inline const char* SkipValue(const char* p, const char* end) {
  using internal::Splat;
  while (end - p >= 16) {
    const internal::Block block = internal::Load(p);
    if (internal::Any((block < Splat(0x20)) | (block == Splat('<')) | (block == Splat('&')) | (block == Splat('\'')) |
                      (block == Splat('"')))) {
      break;
    }
    p += 16;
  }
  return SkipWhile(p, end, kValueByte);
}

}  // namespace parley::xml

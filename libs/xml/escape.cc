#include <cstdint>

#include "libs/xml/chars.h"
#include "libs/xml/reference.h"
#include "libs/xml/scanner.h"
#include "libs/xml/utf8.h"

namespace parley::xml {
namespace {

// What must be written instead of `c`; empty: itself.
std::string_view Escaped(char c, Use use) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\'':
      return "&apos;";
    case '"':
      return "&quot;";
    case '\r':  // a bare one would be read back as a line feed (XML 1.0 2.11)
      return "&#13;";
    case '\n':  // and these as a space in an attribute (3.3.3)
      return use == Use::kAttribute ? "&#10;" : "";
    case '\t':
      return use == Use::kAttribute ? "&#9;" : "";
    default:  // XML has no way to write other control characters
      return static_cast<unsigned char>(c) < 0x20 ? "\xEF\xBF\xBD" : "";
  }
}

bool NeedsLook(char c) { return !Is(c, kTextByte) || c == '>' || c == '\'' || c == '"'; }

// Writes the white space at `p` as XML 1.0 2.11 and 3.3.3 would have it read, and returns what comes after.
const char* AppendSpace(std::string& out, const char* p, const char* end, Use use) {
  const bool pair = *p == '\r' && p + 1 != end && p[1] == '\n';
  out += use == Use::kAttribute ? ' ' : *p == '\r' ? '\n' : *p;
  return p + (pair ? 2 : 1);
}

// Resolves the reference at `p`; one that is none stays as it is.
const char* AppendReference(std::string& out, const char* p, const char* end) {
  const char* const stop = SkipWhile(p + 1, end, kReferenceByte);
  if (stop != end && *stop == ';') {
    const Reference reference = ParseReference({p + 1, static_cast<std::size_t>(stop - p - 1)});
    if (reference.kind == Reference::Kind::kCharacter) {
      AppendUtf8(out, reference.code);
      return stop + 1;
    }
  }
  out += *p;
  return p + 1;
}

}  // namespace

std::string Unescape(std::string_view raw, Use use) {
  std::string out;
  out.reserve(raw.size());
  const char* p = raw.data();
  const char* const end = p + raw.size();
  while (p != end) {
    const char* const plain = p;
    while (p != end && *p != '&' && *p != '\r' && (use == Use::kText || (*p != '\n' && *p != '\t'))) ++p;
    out.append(plain, p);
    if (p == end) break;
    p = *p == '&' ? AppendReference(out, p, end) : AppendSpace(out, p, end, use);
  }
  return out;
}

void AppendEscaped(std::string& out, std::string_view text, Use use) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!NeedsLook(text[i])) continue;
    const std::string_view escaped = Escaped(text[i], use);
    if (escaped.empty()) continue;
    out.append(text, plain, i - plain);
    out += escaped;
    plain = i + 1;
  }
  out.append(text, plain, text.size() - plain);
}

std::string Escape(std::string_view text, Use use) {
  std::string out;
  out.reserve(text.size());
  AppendEscaped(out, text, use);
  return out;
}

}  // namespace parley::xml

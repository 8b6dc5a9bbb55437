#include "libs/xmpp/domain.h"

#include <arpa/inet.h>
#include <unicode/uidna.h>

#include <algorithm>
#include <array>
#include <optional>

#include "libs/xmpp/precis.h"

namespace parley::xmpp {
namespace {

// RFC 1034 3.1: 255 octets on the wire are 253 characters.
constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxPart = 1023;  // RFC 7622 3.2, as U-labels
constexpr std::size_t kMaxLabel = 63;

enum class Plain { kYes, kNo, kInternational };

// What an ASCII byte of a name becomes; 0: may not stand there.
constexpr std::array<char, 128> MakeNameTable() {
  std::array<char, 128> table{};
  for (std::size_t c = 'a'; c <= 'z'; ++c) {
    table[c] = static_cast<char>(c);
    table[c - ('a' - 'A')] = static_cast<char>(c);
  }
  for (std::size_t c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  table['-'] = '-';
  table['.'] = '.';
  return table;
}
constexpr std::array<char, 128> kNameTable = MakeNameTable();

// RFC 5890 2.3.1: an NR-LDH label. One with hyphens at 3 and 4 may be an A-label: that is for ICU to say.
Plain JudgeLabel(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') return Plain::kNo;
  return label.size() >= 4 && label[2] == '-' && label[3] == '-' ? Plain::kInternational : Plain::kYes;
}

Plain JudgeLabels(std::string_view name) {
  if (name.size() > kMaxName) return Plain::kNo;
  Plain verdict = Plain::kYes;
  for (std::size_t at = 0, dot = 0; dot != std::string_view::npos; at = dot + 1) {
    dot = name.find('.', at);
    const Plain label = JudgeLabel(name.substr(at, dot - at));
    if (label == Plain::kNo) return label;
    if (label == Plain::kInternational) verdict = label;
  }
  return verdict;
}

// The usual case: ASCII letters, digits, hyphens and dots, appended in lower case.
Plain AppendPlain(std::string& out, std::string_view text) {
  const std::size_t start = out.size();
  out.append(text);
  for (std::size_t at = start; at < out.size(); ++at) {
    if (static_cast<unsigned char>(out[at]) >= kNameTable.size()) return Plain::kInternational;
    out[at] = kNameTable[static_cast<unsigned char>(out[at])];
    if (out[at] == 0) return Plain::kNo;
  }
  return JudgeLabels(std::string_view(out).substr(start));
}

const UIDNA* Idna() {
  static const UIDNA* const kIdna = [] {
    UErrorCode status = U_ZERO_ERROR;
    return uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_CHECK_CONTEXTO |
                               UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                           &status);
  }();
  return kIdna;
}

using Conversion = decltype(&uidna_nameToUnicodeUTF8);

std::optional<std::string> Convert(Conversion conversion, std::string_view text) {
  std::array<char, 4096> buffer;
  UErrorCode status = U_ZERO_ERROR;
  UIDNAInfo info = UIDNA_INFO_INITIALIZER;
  const int length = conversion(Idna(), text.data(), static_cast<int>(text.size()), buffer.data(),
                                static_cast<int>(buffer.size()), &info, &status);
  if (U_FAILURE(status) || info.errors != 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(length));
}

// RFC 5892 2.4, IgnorableBlocks: marks for symbols and for music.
bool IsInIgnorableBlock(char32_t c) { return (c >= 0x20D0 && c <= 0x20FF) || (c >= 0x1D100 && c <= 0x1D24F); }

// UTS 46 lets symbols through that IDNA2008 does not; but for those blocks, the identifier class draws the same line
// (RFC 5892, RFC 8264).
bool LabelsAllowed(std::u32string_view name) {
  while (true) {
    const std::size_t dot = name.find(U'.');
    const std::u32string_view label = name.substr(0, dot);
    const bool ascii = std::ranges::all_of(label, [](char32_t c) { return c < 0x80; });
    if (!ascii && !precis::InClass(label, precis::StringClass::kIdentifier)) return false;
    if (std::ranges::any_of(label, IsInIgnorableBlock)) return false;
    if (dot == std::u32string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool AppendInternational(std::string& out, std::string_view text) {
  // An invalid byte would come back as U+FFFD with an error, but only by UTS 46's leave; be sure.
  if (!precis::Decode(text)) return false;
  auto name = Convert(uidna_nameToUnicodeUTF8, text);
  if (!name || name->empty()) return false;
  if (name->ends_with('.')) name->pop_back();  // was an ideographic full stop
  const auto ascii = Convert(uidna_nameToASCII_UTF8, *name);
  if (!ascii || ascii->size() > kMaxName || name->size() > kMaxPart) return false;
  const auto decoded = precis::Decode(*name);
  if (!decoded || !LabelsAllowed(*decoded)) return false;
  out += *name;
  return true;
}

// RFC 6874 writes "%25" before a zone's name, people write "%".
bool ValidZone(std::string_view zone) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";  // RFC 3986 2.3
  return zone.size() > 1 && zone.find_first_not_of(kUnreserved, 1) == std::string_view::npos;
}

// RFC 3986 IP-literal: "[" IPv6 address "]", written as RFC 5952 says.
bool AppendIpLiteral(std::string& out, std::string_view text) {
  if (text.size() < 4 || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  const std::size_t percent = text.find('%');
  const std::string_view zone = percent == std::string_view::npos ? std::string_view{} : text.substr(percent);
  if (!zone.empty() && !ValidZone(zone)) return false;
  in6_addr address;
  std::array<char, INET6_ADDRSTRLEN> written;
  if (inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &address) != 1) return false;
  if (inet_ntop(AF_INET6, &address, written.data(), written.size()) == nullptr) return false;
  out.append("[").append(written.data()).append(zone).append("]");
  return true;
}

}  // namespace

bool AppendDomain(std::string& out, std::string_view text) {
  if (text.starts_with('[')) return AppendIpLiteral(out, text);
  if (text.ends_with('.')) text.remove_suffix(1);  // RFC 7622 3.2.1: before all else
  const std::size_t start = out.size();
  switch (AppendPlain(out, text)) {
    case Plain::kYes:
      return true;
    case Plain::kNo:
      return false;
    case Plain::kInternational:
      out.resize(start);
      return AppendInternational(out, text);
  }
  return false;
}

}  // namespace parley::xmpp

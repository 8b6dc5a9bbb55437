#include "services/roster/sql.h"

namespace parley::roster::sql {
namespace {

void AppendHex(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const unsigned char byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

int HexDigit(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

template <class Text>
std::string MakeTextArray(const std::vector<Text>& values) {
  std::string out = "{";
  for (const std::string_view value : values) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out += '}';
}

}  // namespace

std::string Bytes(std::string_view bytes) {
  std::string out;
  out.reserve(2 + 2 * bytes.size());
  out += "\\x";
  AppendHex(out, bytes);
  return out;
}

// The server's default, bytea_output = hex: two lower-case digits a byte after "\x".
std::string FromBytes(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(HexDigit(text[i]) << 4 | HexDigit(text[i + 1]));
  }
  return out;
}

std::string TextArray(const std::vector<std::string_view>& values) { return MakeTextArray(values); }
std::string TextArray(const std::vector<std::string>& values) { return MakeTextArray(values); }

std::string BytesArray(const std::vector<std::string_view>& values) {
  std::string out = "{";
  for (const auto value : values) {
    if (out.size() > 1) out += ',';
    out += "\"\\\\x";
    AppendHex(out, value);
    out += '"';
  }
  return out += '}';
}

std::vector<std::string> FromTextArray(const char* text) {
  std::vector<std::string> out;
  pqxx::array_parser parser(text);
  for (auto [juncture, value] = parser.get_next(); juncture != pqxx::array_parser::done;
       std::tie(juncture, value) = parser.get_next()) {
    if (juncture == pqxx::array_parser::string_value) out.push_back(std::move(value));
  }
  return out;
}

}  // namespace parley::roster::sql

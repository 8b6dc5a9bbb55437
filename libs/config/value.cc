#include "libs/config/value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "libs/net/address_range.h"
#include "libs/xmpp/jid.h"

namespace parley::config {
namespace {

struct Suffix {
  std::string_view text;
  std::int64_t factor;
};
// The largest first, for printing.
constexpr std::array kSizes{
    Suffix{"GiB", 1 << 30},  Suffix{"MiB", 1 << 20}, Suffix{"KiB", 1 << 10}, Suffix{"GB", 1'000'000'000},
    Suffix{"MB", 1'000'000}, Suffix{"kB", 1000},     Suffix{"B", 1},         Suffix{"", 1}};
constexpr std::array kTimes{Suffix{"d", 86'400'000}, Suffix{"h", 3'600'000}, Suffix{"m", 60'000}, Suffix{"s", 1000},
                            Suffix{"ms", 1}};
constexpr std::size_t kBinarySizes = 3;
constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warn", "error"};

std::string Quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// A number and its suffix; nullopt: not of that form, or too large.
template <class Suffixes>
std::optional<std::int64_t> ParseScaled(std::string_view text, const Suffixes& suffixes) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  for (const Suffix& suffix : suffixes) {
    if (rest != suffix.text) continue;
    std::int64_t scaled = 0;
    if (__builtin_mul_overflow(number, suffix.factor, &scaled)) return std::nullopt;
    return scaled;
  }
  return std::nullopt;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <class Suffixes>
std::string PrintScaled(std::int64_t value, const Suffixes& suffixes, std::size_t usable) {
  for (std::size_t i = 0; i < usable; ++i) {
    if (value != 0 && value % suffixes[i].factor == 0) {
      return std::to_string(value / suffixes[i].factor) + std::string(suffixes[i].text);
    }
  }
  return std::to_string(value);
}

std::string PrintNumber(std::int64_t value, const Rule& rule) {
  if (rule.kind == Rule::Kind::kBytes) return PrintScaled(value, kSizes, kBinarySizes);
  if (rule.kind == Rule::Kind::kDuration) {
    const bool whole_minutes = value % 60'000 == 0 && value >= 600'000;
    return whole_minutes ? PrintScaled(value, kTimes, 3) : PrintScaled(value, std::array{kTimes[3], kTimes[4]}, 2);
  }
  return std::to_string(value);
}

std::int64_t ParseNumber(const std::string& text, const Rule& rule) {
  std::optional<std::int64_t> value;
  std::string wanted = "a whole number";
  if (rule.kind == Rule::Kind::kBytes) {
    value = ParseScaled(text, kSizes);
    wanted = "a size like 65536, 64KiB or 1MiB";
  } else if (rule.kind == Rule::Kind::kDuration) {
    value = text == "0" ? 0 : ParseScaled(text, kTimes);
    wanted = "a duration with its unit, like 500ms, 30s, 2m or 1h";
  } else {
    value = ParseInteger(text);
  }
  if (!value) throw Problem(Quoted(text) + " is not " + wanted);
  if (*value < rule.min || *value > rule.max) {
    throw Problem(Quoted(text) + " is out of range; give something from " + PrintRange(rule));
  }
  return *value;
}

double ParseShare(const std::string& text) {
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  const bool number = error == std::errc() && end == text.data() + text.size();
  if (!number || !(share >= 0 && share <= 1)) throw Problem(Quoted(text) + " is not a number from 0 to 1, like 0.01");
  return share;
}

bool ParseFlag(const std::string& text) {
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  throw Problem(Quoted(text) + " is neither true nor false");
}

void CheckAddress(const std::string& text) {
  const auto colon = text.rfind(':');
  const std::string remedy = "; write host:port, for instance 0.0.0.0:5222, [::]:5222 or router:7400";
  if (colon == std::string::npos || colon == 0) throw Problem(Quoted(text) + " is no address" + remedy);
  const auto port = ParseInteger(std::string_view(text).substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) throw Problem(Quoted(text) + " has no port from 0 to 65535" + remedy);
  const std::string_view host = std::string_view(text).substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != std::string_view::npos) {
    throw Problem(Quoted(text) + " is no address: put an IPv6 address in brackets, like [::1]:5222");
  }
}

std::string CheckText(const std::string& text, const Rule& rule) {
  switch (rule.kind) {
    case Rule::Kind::kChoice:
      if (std::find(rule.choices.begin(), rule.choices.end(), text) == rule.choices.end()) {
        throw Problem(Quoted(text) + " is not possible here; give one of " + PrintRange(rule));
      }
      return text;
    case Rule::Kind::kAddress:
      CheckAddress(text);
      return text;
    case Rule::Kind::kDomain: {
      const auto prepared = xmpp::PrepareDomain(text);
      if (!prepared) throw Problem(Quoted(text) + " is no domain name (RFC 7622 section 3.2)");
      return *prepared;
    }
    case Rule::Kind::kName: {
      const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; };
      if (text.empty() || !std::all_of(text.begin(), text.end(), allowed)) {
        throw Problem(Quoted(text) + " is no usable name; use letters, digits, '.', '_' and '-'");
      }
      return text;
    }
    case Rule::Kind::kNetwork:
      if (!net::AddressRange::Parse(text)) {
        throw Problem(Quoted(text) + " is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1");
      }
      return text;
    default:
      return text;
  }
}

std::int64_t Widest(const std::chrono::milliseconds& value) { return value.count(); }
std::int64_t Widest(const std::chrono::seconds& value) { return std::chrono::milliseconds(value).count(); }

struct Assigner {
  const Rule& rule;
  const std::string& text;

  void operator()(std::string* field) const { *field = CheckText(text, rule); }
  void operator()(bool* field) const { *field = ParseFlag(text); }
  void operator()(double* field) const { *field = ParseShare(text); }
  void operator()(std::vector<std::string>* field) const { *field = {CheckText(text, rule)}; }
  void operator()(log::Level* field) const {
    CheckText(text, rule);
    *field = static_cast<log::Level>(std::find(kLevels.begin(), kLevels.end(), text) - kLevels.begin());
  }
  void operator()(std::chrono::milliseconds* field) const {
    *field = std::chrono::milliseconds(ParseNumber(text, rule));
  }
  void operator()(std::chrono::seconds* field) const {
    const auto value = ParseNumber(text, rule);
    if (value % 1000 != 0) throw Problem(Quoted(text) + " must be whole seconds");
    *field = std::chrono::seconds(value / 1000);
  }
  template <class Integer>
  void operator()(Integer* field) const {
    *field = static_cast<Integer>(ParseNumber(text, rule));
  }
};

struct Printer {
  const Rule& rule;

  std::string operator()(const std::string* field) const { return *field; }
  std::string operator()(const bool* field) const { return *field ? "true" : "false"; }
  std::string operator()(const double* field) const {
    std::array<char, 32> digits;
    return std::string(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), *field).ptr);
  }
  std::string operator()(const log::Level* field) const {
    return std::string(kLevels[static_cast<std::size_t>(*field)]);
  }
  std::string operator()(const std::vector<std::string>* field) const {
    std::string all;
    for (const auto& item : *field) all += (all.empty() ? "" : ", ") + item;
    return "[" + all + "]";
  }
  template <class Rep, class Period>
  std::string operator()(const std::chrono::duration<Rep, Period>* field) const {
    return PrintNumber(Widest(*field), rule);
  }
  template <class Integer>
  std::string operator()(const Integer* field) const {
    return PrintNumber(static_cast<std::int64_t>(*field), rule);
  }
};

}  // namespace

Rule Text() { return {}; }
Rule Flag() { return {Rule::Kind::kFlag}; }
Rule Number(std::int64_t min, std::int64_t max) { return {Rule::Kind::kNumber, min, max}; }
Rule Bytes(std::int64_t min, std::int64_t max) { return {Rule::Kind::kBytes, min, max}; }
Rule Duration(std::chrono::milliseconds min, std::chrono::milliseconds max) {
  return {Rule::Kind::kDuration, min.count(), max.count()};
}
Rule Choice(std::vector<std::string_view> choices) { return {Rule::Kind::kChoice, 0, 0, std::move(choices)}; }
Rule Address() { return {Rule::Kind::kAddress}; }
Rule Domain() { return {Rule::Kind::kDomain}; }
Rule File() { return {Rule::Kind::kFile}; }
Rule Name() { return {Rule::Kind::kName}; }
Rule Network() { return {Rule::Kind::kNetwork}; }
Rule Share() { return {Rule::Kind::kShare}; }

void Assign(const Field& field, const Rule& rule, const std::string& text) { std::visit(Assigner{rule, text}, field); }

void Assign(const Field& field, const Rule& rule, const std::vector<std::string>& texts) {
  std::vector<std::string> checked;
  for (const auto& text : texts) checked.push_back(CheckText(text, rule));
  *std::get<std::vector<std::string>*>(field) = std::move(checked);
}

bool IsList(const Field& field) { return std::holds_alternative<std::vector<std::string>*>(field); }

std::string Print(const Field& field, const Rule& rule) { return std::visit(Printer{rule}, field); }

std::string PrintType(const Field& field, const Rule& rule) {
  static constexpr std::array<std::string_view, 12> kKinds{"text",     "true or false", "number",  "size",
                                                           "duration", "choice",        "address", "domain",
                                                           "file",     "name",          "network", "number"};
  const std::string kind(kKinds[static_cast<std::size_t>(rule.kind)]);
  return IsList(field) ? "list of " + kind : kind;
}

std::string PrintRange(const Rule& rule) {
  switch (rule.kind) {
    case Rule::Kind::kNumber:
    case Rule::Kind::kBytes:
    case Rule::Kind::kDuration:
      return PrintNumber(rule.min, rule) + " to " + PrintNumber(rule.max, rule);
    case Rule::Kind::kChoice: {
      std::string all;
      for (auto choice : rule.choices) all += (all.empty() ? "" : ", ") + std::string(choice);
      return all;
    }
    case Rule::Kind::kShare:
      return "0 to 1";
    default:
      return "";
  }
}

}  // namespace parley::config

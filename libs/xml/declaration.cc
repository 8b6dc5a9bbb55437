#include "libs/xml/declaration.h"

#include <algorithm>

#include "libs/xml/chars.h"

namespace parley::xml {
namespace {

constexpr std::string_view kOpen = "<?xml";

// What is between "<?xml" and "?>": XML 1.0 production 23 (XMLDecl).
class Body {
 public:
  explicit Body(std::string_view text) : text_(text) {}

  // Takes `name = "value"` with the white space before it; nullopt: something else is next.
  std::optional<std::string_view> Take(std::string_view name) {
    std::string_view rest = text_;
    if (!SkipSpace(rest) || !rest.starts_with(name)) return std::nullopt;
    rest.remove_prefix(name.size());
    SkipSpace(rest);
    if (!rest.starts_with('=')) return std::nullopt;
    rest.remove_prefix(1);
    SkipSpace(rest);
    if (!rest.starts_with('\'') && !rest.starts_with('"')) return std::nullopt;
    const std::size_t close = rest.find(rest[0], 1);
    if (close == rest.npos) return std::nullopt;
    text_ = rest.substr(close + 1);
    return rest.substr(1, close - 1);
  }

  bool AtEnd() {
    SkipSpace(text_);
    return text_.empty();
  }

 private:
  static bool SkipSpace(std::string_view& text) {
    const auto end = std::find_if_not(text.begin(), text.end(), IsSpace);
    const bool any = end != text.begin();
    text.remove_prefix(end - text.begin());
    return any;
  }

  std::string_view text_;
};

bool IsVersion1(std::string_view version) {
  return version.size() > 2 && version.starts_with("1.") &&
         std::all_of(version.begin() + 2, version.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsUtf8(std::string_view encoding) {
  constexpr std::string_view kUtf8 = "utf-8";
  return std::equal(encoding.begin(), encoding.end(), kUtf8.begin(), kUtf8.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

std::optional<Fault> Check(Body body) {
  const auto version = body.Take("version");
  if (!version || !IsVersion1(*version)) return Fault::kNotWellFormed;
  const auto encoding = body.Take("encoding");
  if (encoding && !IsUtf8(*encoding)) return Fault::kUnsupportedEncoding;  // RFC 6120 11.6
  const auto standalone = body.Take("standalone");
  if (standalone && *standalone != "yes" && *standalone != "no") return Fault::kNotWellFormed;
  if (!body.AtEnd()) return Fault::kNotWellFormed;
  return std::nullopt;
}

}  // namespace

Declaration::Status Declaration::Read(std::string_view data) {
  if (!kOpen.starts_with(data.substr(0, kOpen.size()))) return Fail(Fault::kRestrictedXml);
  if (data.size() <= kOpen.size()) return Status::kMore;
  if (!IsSpace(data[kOpen.size()])) return Fail(Fault::kRestrictedXml);  // another processing instruction
  const std::size_t end = data.find("?>", std::max(size_, kOpen.size()));
  if (end == data.npos) {
    size_ = data.size() - 1;
    return Status::kMore;
  }
  size_ = end + 2;
  const auto fault = Check(Body(data.substr(kOpen.size(), end - kOpen.size())));
  return fault ? Fail(*fault) : Status::kComplete;
}

Declaration::Status Declaration::Fail(Fault fault) {
  fault_ = fault;
  return Status::kFault;
}

}  // namespace parley::xml

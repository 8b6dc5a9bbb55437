#include "bench/generator/stanzas.h"

namespace parley::bench {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// Where the '>' of the tag is that begins before `at`; '>' may stand in an attribute's value.
std::size_t TagEnd(std::string_view text, std::size_t at) {
  for (;;) {
    at = text.find_first_of(">'\"", at);
    if (at == kNone || text[at] == '>') return at;
    at = text.find(text[at], at + 1);
    if (at == kNone) return kNone;
    ++at;
  }
}

std::string_view NameIn(std::string_view element) {
  const std::size_t end = element.find_first_of(" \t\r\n/>", 1);
  return element.substr(1, end - 1);
}

}  // namespace

std::size_t ElementSize(std::string_view text) {
  int depth = 0;
  std::size_t at = 0;
  while ((at = text.find('<', at)) != kNone) {
    const std::size_t close = TagEnd(text, at + 1);
    if (close == kNone) return 0;
    if (text[at + 1] == '/') {
      --depth;
    } else if (text[close - 1] != '/') {
      ++depth;
    }
    at = close + 1;
    if (depth == 0) return at;
  }
  return 0;
}

std::string_view Stanza::Attribute(std::string_view attribute) const {
  const std::string_view tag = text.substr(0, TagEnd(text, 1));
  std::size_t at = name.size();
  while ((at = tag.find(attribute, at + 1)) != kNone) {
    const std::size_t equals = at + attribute.size();
    if (equals + 1 >= tag.size() || tag[equals] != '=' || (tag[at - 1] != ' ' && tag[at - 1] != '\n')) continue;
    const std::size_t end = tag.find(tag[equals + 1], equals + 2);
    return end == kNone ? std::string_view() : tag.substr(equals + 2, end - equals - 2);
  }
  return {};
}

std::string_view Stanza::Text(std::string_view child) const {
  std::size_t at = 0;
  while ((at = text.find(child, at + 1)) != kNone) {
    const std::size_t end = at + child.size();
    if (text[at - 1] != '<' || end >= text.size() || (text[end] != '>' && text[end] != ' ')) continue;
    const std::size_t close = TagEnd(text, end);
    if (close == kNone || text[close - 1] == '/') return {};
    return text.substr(close + 1, text.find('<', close) - close - 1);
  }
  return {};
}

void StanzaReader::Reset() {
  rest_.clear();
  rest_.shrink_to_fit();
  header_seen_ = false;
}

std::size_t StanzaReader::SkipHeader(std::string_view bytes) {
  std::size_t at = 0;
  if (bytes.starts_with("<?")) {
    at = bytes.find("?>");
    if (at == kNone) return 0;
    at = bytes.find('<', at);
    if (at == kNone) return 0;
  }
  const std::size_t close = TagEnd(bytes, at + 1);
  return close == kNone ? 0 : close + 1;
}

StanzaReader::Step StanzaReader::Next(std::string_view& bytes, Stanza& child) {
  // Whitespace between stanzas keeps connections alive.
  const std::size_t start = bytes.find('<');
  bytes.remove_prefix(start == kNone ? bytes.size() : start);
  if (bytes.size() < 2) return Step::kMore;
  if (!header_seen_) {
    const std::size_t header = SkipHeader(bytes);
    if (header == 0) return Step::kMore;
    header_seen_ = true;
    bytes.remove_prefix(header);
    return Next(bytes, child);
  }
  if (bytes[1] == '/') return Step::kClosed;
  const std::size_t size = ElementSize(bytes);
  if (size == 0) return Step::kMore;
  child.text = bytes.substr(0, size);
  child.name = NameIn(child.text);
  bytes.remove_prefix(size);
  return Step::kChild;
}

}  // namespace parley::bench

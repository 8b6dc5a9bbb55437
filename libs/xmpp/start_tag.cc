#include "libs/xmpp/start_tag.h"

#include <algorithm>

namespace parley::xmpp {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

StartTagReader::StartTagReader(std::string_view element) : element_(element), name_end_(1), at_(1) {
  if (!element_.starts_with('<')) element_ = "<>";
  while (at_ < element_.size() && !IsSpace(element_[at_]) && element_[at_] != '/' && element_[at_] != '>') ++at_;
  name_end_ = at_;
}

bool StartTagReader::Next(RawAttribute& attribute) {
  std::size_t name_at = at_;
  while (name_at < element_.size() && IsSpace(element_[name_at])) ++name_at;
  if (name_at == at_ || name_at >= element_.size() || element_[name_at] == '/' || element_[name_at] == '>')
    return false;
  std::size_t name_end = name_at;
  while (name_end < element_.size() && element_[name_end] != '=' && !IsSpace(element_[name_end])) ++name_end;
  std::size_t quote_at = name_end;
  while (quote_at < element_.size() && element_[quote_at] != '\'' && element_[quote_at] != '"') ++quote_at;
  if (quote_at >= element_.size()) return false;
  const std::size_t close = element_.find(element_[quote_at], quote_at + 1);
  if (close == kNone) return false;
  attribute.name = element_.substr(name_at, name_end - name_at);
  attribute.value = element_.substr(quote_at + 1, close - quote_at - 1);
  attribute.begin = at_;
  attribute.end = at_ = close + 1;
  return true;
}

std::size_t EndOfTag(std::string_view xml, std::size_t at) {
  for (; at < xml.size() && xml[at] != '>'; ++at) {
    if (xml[at] != '\'' && xml[at] != '"') continue;
    at = xml.find(xml[at], at + 1);
    if (at == kNone) return kNone;
  }
  return at < xml.size() ? at + 1 : kNone;
}

std::size_t CountChildren(std::string_view element, std::size_t enough) {
  constexpr std::string_view kCdata = "<![CDATA[";
  std::size_t count = 0;
  std::size_t depth = 0;  // open elements, the root among them
  for (std::size_t at = element.find('<'); at != kNone; at = element.find('<', at)) {
    const std::string_view rest = element.substr(at);
    if (rest.starts_with(kCdata)) {
      at = element.find("]]>", at + kCdata.size());
      if (at == kNone) return count;
      continue;
    }
    const std::size_t end = EndOfTag(element, at);
    if (end == kNone) return count;
    const bool closes = rest.starts_with("</");
    const bool empty = element[end - 2] == '/';
    if (!closes && depth == 1 && ++count == enough) return count;
    if (closes && depth > 0) --depth;
    if (!closes && !empty) ++depth;
    if (depth == 0) return count;
    at = end;
  }
  return count;
}

}  // namespace parley::xmpp

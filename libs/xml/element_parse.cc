#include "libs/xml/element_parse.h"

#include "libs/xml/chars.h"
#include "libs/xml/element_reader.h"

namespace parley::xml {
namespace {

// The highest that c2s.max_depth and c2s.max_attributes may be.
constexpr std::size_t kMaxDepth = 256;       // copies and destructors recurse
constexpr std::size_t kMaxAttributes = 512;  // each is compared with all others

using Event = ElementReader::Event;

// Builds the tree of one element from the reader's events.
class Builder {
 public:
  Builder(std::string_view data, const Limits& limits, const std::vector<NamespaceBinding>* around)
      : data_(data), reader_(limits) {
    reader_.Reset(limits, around);
  }

  std::optional<Element> Build() {
    for (;;) {
      switch (reader_.Next(data_)) {
        case Event::kStart:
          open_.push_back(Started());
          break;
        case Event::kText:
          open_.back().AddText(Unescape(reader_.text().In(data_)));
          break;
        case Event::kCdata:
          open_.back().AddText(UnescapeCdata(reader_.text().In(data_)));
          break;
        case Event::kEnd:
          if (open_.size() == 1) return std::move(open_.back());
          Close();
          break;
        case Event::kMore:
        case Event::kFault:
        case Event::kStrayEnd:
          return std::nullopt;
      }
    }
  }

  std::size_t position() const { return reader_.position(); }

 private:
  // Nothing is escaped there, but line ends count as one (XML 1.0 2.11).
  static std::string UnescapeCdata(std::string_view raw) {
    std::string text;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\r') {
        text += raw[i];
      } else if (i + 1 == raw.size() || raw[i + 1] != '\n') {
        text += '\n';
      }
    }
    return text;
  }

  Element Started() {
    Element element(std::string(reader_.name().Local(data_)), std::string(reader_.ns(data_).uri));
    for (const AttributeSpan& attribute : reader_.attributes()) {
      if (IsDeclaration(attribute.name, data_)) continue;
      std::string ns;
      if (attribute.name.prefix_size != 0) {
        ns = reader_.namespaces().Resolve(attribute.name.Prefix(data_), data_)->uri;
      }
      element.AddAttr({std::move(ns), std::string(attribute.name.Local(data_)),
                       Unescape(attribute.value.In(data_), Use::kAttribute)});
    }
    return element;
  }

  void Close() {
    Element child = std::move(open_.back());
    open_.pop_back();
    open_.back().AddChild(std::move(child));
  }

  std::string_view data_;
  ElementReader reader_;
  std::vector<Element> open_;
};

}  // namespace

std::optional<Element> Element::Parse(std::string_view raw, std::string_view ns) {
  return ParseWithin({{"", std::string(ns)}}, raw);
}

std::optional<Element> ParseWithin(const std::vector<NamespaceBinding>& around, std::string_view raw) {
  while (!raw.empty() && IsSpace(raw.front())) raw.remove_prefix(1);
  while (!raw.empty() && IsSpace(raw.back())) raw.remove_suffix(1);
  if (raw.empty() || raw.front() != '<') return std::nullopt;
  const Limits limits{.max_stanza_bytes = raw.size(), .max_depth = kMaxDepth, .max_attributes = kMaxAttributes};
  Builder builder(raw, limits, &around);
  std::optional<Element> element = builder.Build();
  if (!element || builder.position() != raw.size()) return std::nullopt;
  return element;
}

}  // namespace parley::xml

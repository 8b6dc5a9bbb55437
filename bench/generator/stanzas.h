#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parley::bench {

// A child of the stream, as it came. Servers are trusted to send well-formed XML: this only finds where things are.
struct Stanza {
  std::string_view text;
  std::string_view name;  // with its prefix, as in "stream:features"
  // Raw value, not unescaped; empty: absent. `attribute` with no prefix.
  std::string_view Attribute(std::string_view attribute) const;
  // What stands between the tags of the first <child ...> inside; empty: absent or empty.
  std::string_view Text(std::string_view child) const;
  bool Contains(std::string_view part) const { return text.find(part) != std::string_view::npos; }
};

// Cuts what a server sends into the children of its stream.
class StanzaReader {
 public:
  // For a new stream: a header comes first.
  void Reset();
  // `on_child(const Stanza&)`; it may Reset() or change what happens to the rest by returning false (the rest is
  // dropped). False: the stream was closed.
  template <typename OnChild>
  bool Feed(std::string_view bytes, OnChild&& on_child);

 private:
  enum class Step : std::uint8_t { kChild, kMore, kClosed };
  // Takes the next child off `bytes`.
  Step Next(std::string_view& bytes, Stanza& child);
  static std::size_t SkipHeader(std::string_view bytes);

  std::string rest_;
  bool header_seen_ = false;
};

// Size of the complete element that `text` begins with, 0: incomplete.
std::size_t ElementSize(std::string_view text);

template <typename OnChild>
bool StanzaReader::Feed(std::string_view bytes, OnChild&& on_child) {
  std::string joined;
  if (!rest_.empty()) {
    joined.swap(rest_);
    joined.append(bytes);
    bytes = joined;
  }
  Stanza child;
  for (;;) {
    switch (Next(bytes, child)) {
      case Step::kClosed:
        return false;
      case Step::kMore:
        if (!bytes.empty()) rest_.assign(bytes);
        return true;
      case Step::kChild:
        if (!on_child(static_cast<const Stanza&>(child))) return true;
    }
  }
}

}  // namespace parley::bench

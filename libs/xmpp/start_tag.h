#pragma once

#include <cstddef>
#include <string_view>

// Reading the start tag of an element that is known to be well-formed, in place: where each attribute begins and ends,
// for those who cut and splice. On bytes that are no element nothing is found.
namespace parley::xmpp {

struct RawAttribute {
  std::string_view name;   // with prefix
  std::string_view value;  // entities not resolved
  std::size_t begin = 0;   // of the white space before it
  std::size_t end = 0;     // after its closing quote
};

class StartTagReader {
 public:
  explicit StartTagReader(std::string_view element);

  std::string_view name() const { return element_.substr(1, name_end_ - 1); }
  std::size_t name_end() const { return name_end_; }
  bool Next(RawAttribute& attribute);
  // After the last attribute: the index of "/>" or ">", white space before it not included.
  std::size_t position() const { return at_; }

 private:
  std::string_view element_;
  std::size_t name_end_;
  std::size_t at_;
};

// The index after the tag that begins at `at`; npos if it does not end.
std::size_t EndOfTag(std::string_view xml, std::size_t at);
// Child elements of `element`'s root; does not count beyond `enough`.
std::size_t CountChildren(std::string_view element, std::size_t enough);

}  // namespace parley::xmpp

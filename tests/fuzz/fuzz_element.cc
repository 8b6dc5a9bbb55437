// Elements: what is parsed is written so that it reads back as the same, also under another default namespace.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "libs/xml/element.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using parley::xml::Element;
  const auto element = Element::Parse({reinterpret_cast<const char*>(data), size});
  if (!element) return 0;
  const std::string text = element->ToString();
  const auto again = Element::Parse(text);
  Require(again && *again == *element && again->ToString() == text);
  const auto elsewhere = Element::Parse(element->ToString("urn:x"), "urn:x");
  Require(elsewhere && *elsewhere == *element);
  return 0;
}

#include <algorithm>
#include <vector>

#include "libs/xml/element.h"
#include "services/router/testing/xml.h"

namespace parley::router::testing {
namespace {

void Append(std::string& out, const xml::Element& element) {
  out += "<{" + element.ns() + "}" + element.name();
  std::vector<std::string> attributes;
  for (const auto& attr : element.attrs())
    attributes.push_back(" {" + attr.ns + "}" + attr.name + "='" + attr.value + "'");
  std::sort(attributes.begin(), attributes.end());
  for (const auto& attribute : attributes) out += attribute;
  out += ">";
  for (const auto& node : element.nodes()) {
    if (const auto* text = std::get_if<std::string>(&node)) {
      out += *text;
    } else {
      Append(out, std::get<xml::Element>(node));
    }
  }
  out += "</>";
}

}  // namespace

std::string Normal(std::string_view xml) {
  const auto element = xml::Element::Parse(xml);
  if (!element) return std::string(xml);
  std::string out;
  Append(out, *element);
  return out;
}

std::string Attr(std::string_view xml, std::string_view name) {
  const auto element = xml::Element::Parse(xml);
  return element ? std::string(element->attr(name).value_or("")) : std::string();
}

}  // namespace parley::router::testing

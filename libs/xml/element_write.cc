#include "libs/xml/element.h"
#include "libs/xml/scanner.h"

namespace parley::xml {
namespace {

void AppendAttribute(std::string& out, std::string_view name, std::string_view value) {
  out += ' ';
  out += name;
  out += "='";
  AppendEscaped(out, value, Use::kAttribute);
  out += '\'';
}

// Attributes in namespaces are rare: each element that has some declares prefixes for them by itself.
void AppendAttributes(std::string& out, const std::vector<Element::Attr>& attrs) {
  std::vector<std::string_view> declared;
  for (const Element::Attr& attr : attrs) {
    if (attr.ns.empty()) {
      AppendAttribute(out, attr.name, attr.value);
      continue;
    }
    if (attr.ns == Element::kXmlNs) {
      AppendAttribute(out, "xml:" + attr.name, attr.value);
      continue;
    }
    std::size_t index = 0;
    while (index < declared.size() && declared[index] != attr.ns) ++index;
    const std::string prefix = "ns" + std::to_string(index);
    if (index == declared.size()) {
      declared.push_back(attr.ns);
      AppendAttribute(out, "xmlns:" + prefix, attr.ns);
    }
    AppendAttribute(out, prefix + ":" + attr.name, attr.value);
  }
}

}  // namespace

std::string Element::ToString(std::string_view ns) const {
  std::string out;
  AppendTo(out, ns);
  return out;
}

void Element::AppendTo(std::string& out, std::string_view ns) const {
  // No default declaration can name the xml namespace; its prefix is always there (Namespaces in XML 1.0 section 3).
  const bool reserved = ns_ == kXmlNs;
  const std::string_view inside = reserved ? ns : std::string_view(ns_);
  const std::string prefixed = reserved ? "xml:" + name_ : std::string();
  const std::string_view name = reserved ? std::string_view(prefixed) : std::string_view(name_);
  out += '<';
  out += name;
  if (inside != ns) AppendAttribute(out, "xmlns", inside);
  AppendAttributes(out, attrs_);
  if (nodes_.empty()) {
    out += "/>";
    return;
  }
  out += '>';
  for (const Node& node : nodes_) {
    if (const Element* child = std::get_if<Element>(&node)) {
      child->AppendTo(out, inside);
    } else {
      AppendEscaped(out, std::get<std::string>(node));
    }
  }
  out += "</";
  out += name;
  out += '>';
}

}  // namespace parley::xml

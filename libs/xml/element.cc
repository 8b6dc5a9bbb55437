#include "libs/xml/element.h"

#include <algorithm>

namespace parley::xml {

std::optional<std::string_view> Element::attr(std::string_view name) const {
  for (const Attr& attr : attrs_) {
    if (attr.ns.empty() && attr.name == name) return attr.value;
  }
  return std::nullopt;
}

Element& Element::SetAttr(std::string name, std::string value) {
  if (name == "xml:lang") return SetLang(std::move(value));
  return AddAttr({{}, std::move(name), std::move(value)});
}

Element& Element::SetLang(std::string lang) { return AddAttr({std::string(kXmlNs), "lang", std::move(lang)}); }

Element& Element::AddAttr(Attr attr) {
  if (attr.name == "lang" && attr.ns == kXmlNs) lang_ = attr.value;
  const auto same = std::find_if(attrs_.begin(), attrs_.end(),
                                 [&attr](const Attr& other) { return other.name == attr.name && other.ns == attr.ns; });
  if (same == attrs_.end()) {
    attrs_.push_back(std::move(attr));
  } else {
    *same = std::move(attr);
  }
  return *this;
}

std::vector<const Element*> Element::children() const {
  std::vector<const Element*> children;
  for (const Node& node : nodes_) {
    if (const Element* child = std::get_if<Element>(&node)) children.push_back(child);
  }
  return children;
}

const Element* Element::Find(std::string_view name, std::string_view ns) const {
  for (const Node& node : nodes_) {
    const Element* child = std::get_if<Element>(&node);
    if (child != nullptr && child->Is(name, ns)) return child;
  }
  return nullptr;
}

const Element* Element::FirstChild() const {
  for (const Node& node : nodes_) {
    if (const Element* child = std::get_if<Element>(&node)) return child;
  }
  return nullptr;
}

std::string Element::text() const {
  std::string text;
  for (const Node& node : nodes_) {
    if (const std::string* part = std::get_if<std::string>(&node)) text += *part;
  }
  return text;
}

Element& Element::AddChild(Element child) {
  nodes_.emplace_back(std::move(child));
  return *this;
}

Element& Element::AddText(std::string text) {
  if (text.empty()) return *this;
  std::string* last = nodes_.empty() ? nullptr : std::get_if<std::string>(&nodes_.back());
  if (last == nullptr) {
    nodes_.emplace_back(std::move(text));
  } else {
    *last += text;
  }
  return *this;
}

}  // namespace parley::xml

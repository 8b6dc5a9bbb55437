#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace parley::xml {

// An element as a tree, for those who must look inside or make one. A value: copies, compares, owns its children.
class Element {
 public:
  static constexpr std::string_view kXmlNs = "http://www.w3.org/XML/1998/namespace";

  using Node = std::variant<Element, std::string>;  // child element or text
  struct Attr {
    std::string ns;  // empty: no namespace (the usual case)
    std::string name;
    std::string value;
    bool operator==(const Attr&) const = default;
  };

  Element() = default;
  Element(std::string name, std::string ns) : name_(std::move(name)), ns_(std::move(ns)) {}

  // `raw` is one whole element (as xml::Scanner hands it out); `ns` is the default namespace around it. nullopt: not
  // well-formed, deeper than 256 or with more than 512 attributes at one place.
  static std::optional<Element> Parse(std::string_view raw, std::string_view ns = "jabber:client");

  const std::string& name() const { return name_; }
  const std::string& ns() const { return ns_; }
  bool Is(std::string_view name, std::string_view ns) const { return name_ == name && ns_ == ns; }

  // Attributes without a namespace.
  std::optional<std::string_view> attr(std::string_view name) const;
  Element& SetAttr(std::string name, std::string value);
  const std::vector<Attr>& attrs() const { return attrs_; }
  // Replaces one of the same name. The namespace of xml:lang is kXmlNs.
  Element& AddAttr(Attr attr);
  Element& SetLang(std::string lang);
  const std::string& lang() const { return lang_; }  // own xml:lang attribute, empty if none

  const std::vector<Node>& nodes() const { return nodes_; }
  std::vector<const Element*> children() const;
  const Element* Find(std::string_view name, std::string_view ns) const;
  const Element* FirstChild() const;
  std::string text() const;  // own text, concatenated; a child's is not part of it

  Element& AddChild(Element child);
  Element& AddText(std::string text);

  // `ns` is the default namespace where it will be written.
  std::string ToString(std::string_view ns = "jabber:client") const;
  void AppendTo(std::string& out, std::string_view ns = "jabber:client") const;

  bool operator==(const Element&) const = default;

 private:
  std::string name_;
  std::string ns_;
  std::string lang_;
  std::vector<Attr> attrs_;
  std::vector<Node> nodes_;
};

}  // namespace parley::xml

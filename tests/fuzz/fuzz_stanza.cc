// A client's stream: whatever the scanner lets through, the canonical stanza means the same as what the client wrote,
// and what is made from it is well-formed.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/stanza.h"

namespace {

using parley::xml::Element;
using parley::xmpp::ParsedStanza;

constexpr std::string_view kFrom = "me@here/it's <&>";
constexpr std::string_view kHeaders[] = {
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x'>",
    "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:x='urn:x'>",
};

void Require(bool holds) {
  if (!holds) std::abort();
}

// Attributes but `from` and `to`, which the server sets or prepares, and the language, which it may add; in one order.
std::vector<Element::Attr> ClientAttributes(const Element& element) {
  std::vector<Element::Attr> attributes;
  for (const Element::Attr& attr : element.attrs()) {
    const bool address = attr.ns.empty() && (attr.name == "from" || attr.name == "to");
    const bool ours = address || (attr.ns == Element::kXmlNs && attr.name == "lang");
    if (!ours) attributes.push_back(attr);
  }
  std::ranges::sort(attributes,
                    [](const auto& a, const auto& b) { return a.ns != b.ns ? a.ns < b.ns : a.name < b.name; });
  return attributes;
}

void CheckEdits(const std::string& stanza) {
  const auto with = Element::Parse(parley::xmpp::WithAttribute(stanza, "to", "a'b"));
  Require(with && with->attr("to") == "a'b");
  const auto without = Element::Parse(parley::xmpp::WithoutAttribute(stanza, "from"));
  Require(without && !without->attr("from"));
  const auto child = Element::Parse(parley::xmpp::WithChild(stanza, "<delay xmlns='urn:xmpp:delay'/>"));
  Require(child && !child->children().empty() && child->children().back()->Is("delay", "urn:xmpp:delay"));
}

void CheckStanza(const ParsedStanza& parsed, const Element& original) {
  const std::string& stanza = parsed.envelope->stanza();
  const auto canonical = Element::Parse(stanza);
  Require(canonical && canonical->Is(parley::xmpp::KindName(parsed.envelope->kind()), "jabber:client"));
  Require(canonical->attr("from") == kFrom);
  Require(canonical->lang() == (original.lang().empty() ? canonical->lang() : original.lang()));
  Require(canonical->nodes() == original.nodes() && ClientAttributes(*canonical) == ClientAttributes(original));
  Require(parley::xmpp::WithoutAttribute(stanza, "xmlns") == stanza);
  if (!parsed.error && original.attr("to")) {
    const auto to = parley::xmpp::Jid::Parse(*original.attr("to"));
    Require(to && to->str() == parsed.envelope->to());
    Require(canonical->attr("to") == parsed.envelope->to());
  }
  CheckEdits(stanza);
  const auto error = parley::xmpp::MakeError(*parsed.envelope, parley::xmpp::BadRequest());
  if (error) Require(Element::Parse(error->stanza()).has_value());
}

struct Reader final : parley::xml::Handler {
  void OnStreamOpen(const parley::xml::StartTag&) override {}
  void OnStreamClose() override {}
  void OnChild(const parley::xml::Child& child) override {
    const auto parsed =
        parley::xmpp::ParseStanza(child, {.namespaces = &scanner.stream_namespaces(), .lang = "en", .from = kFrom});
    const auto original = Original(child);
    if (parsed && original) CheckStanza(*parsed, *original);
  }
  // The element with all that the stream header declares, in a tree.
  std::optional<Element> Original(const parley::xml::Child& child) const {
    std::string wrapped = "<w";
    for (const auto& binding : scanner.stream_namespaces()) {
      if (binding.prefix == "xml") continue;
      wrapped += binding.prefix.empty() ? " xmlns" : " xmlns:" + binding.prefix;
      wrapped += "='" + parley::xml::Escape(binding.uri, parley::xml::Use::kAttribute) + "'";
    }
    wrapped.append(">").append(child.raw).append("</w>");
    const auto element = Element::Parse(wrapped);
    if (!element || element->FirstChild() == nullptr) return std::nullopt;
    return *element->FirstChild();
  }

  parley::xml::Scanner scanner{parley::xml::Limits{}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Reader reader;
  std::string text(kHeaders[data[0] & 1]);
  text.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t consumed = 0;
  reader.scanner.Feed(text, reader, consumed);
  return 0;
}

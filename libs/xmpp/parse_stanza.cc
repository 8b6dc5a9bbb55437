#include <algorithm>

#include "libs/xml/element_parse.h"
#include "libs/xmpp/request.h"
#include "libs/xmpp/stanza.h"
#include "libs/xmpp/stanza_names.h"
#include "libs/xmpp/start_tag.h"

namespace parley::xmpp {
namespace {

constexpr std::string_view kClientNs = "jabber:client";

// Almost always the raw one; `storage` holds it where it is not.
std::string_view AttributeValue(std::string_view raw, std::string& storage) {
  const bool plain = std::ranges::none_of(raw, [](char c) { return c == '&' || (c >= 0 && c < ' '); });
  if (plain) return raw;
  storage = xml::Unescape(raw, xml::Use::kAttribute);
  return storage;
}

void AppendAttribute(std::string& out, std::string_view name, std::string_view value) {
  out.append(" ").append(name).append("='");
  xml::AppendEscaped(out, value, xml::Use::kAttribute);
  out.append("'");
}

// What the root's start tag says, and how to make it canonical.
struct Root {
  std::optional<std::string_view> to;
  std::optional<std::string_view> id;
  std::optional<std::string_view> type;
  std::optional<RawAttribute> from;
  std::optional<RawAttribute> default_ns;
  bool has_lang = false;
  std::size_t name_end = 0;
};

Root ReadRoot(std::string_view raw) {
  Root root;
  StartTagReader reader(raw);
  root.name_end = reader.name_end();
  RawAttribute attribute;
  while (reader.Next(attribute)) {
    if (attribute.name == "to") {
      root.to = attribute.value;
    } else if (attribute.name == "id") {
      root.id = attribute.value;
    } else if (attribute.name == "type") {
      root.type = attribute.value;
    } else if (attribute.name == "from") {
      root.from = attribute;
    } else if (attribute.name == "xml:lang") {
      root.has_lang = true;
    } else if (attribute.name == "xmlns") {
      root.default_ns = attribute;
    }
  }
  return root;
}

bool DeclaresPrefix(std::string_view raw, std::string_view prefix) {
  constexpr std::string_view kXmlns = "xmlns:";
  StartTagReader reader(raw);
  RawAttribute attribute;
  while (reader.Next(attribute)) {
    if (attribute.name.starts_with(kXmlns) && attribute.name.substr(kXmlns.size()) == prefix) return true;
  }
  return false;
}

// Declarations of the stream header's prefixes that the element uses (or seems to: one too many does no harm).
std::string PrefixDeclarations(std::string_view raw, const StreamContext& context) {
  std::string out;
  if (context.namespaces == nullptr) return out;
  for (const xml::NamespaceBinding& binding : *context.namespaces) {
    if (binding.prefix.empty() || binding.prefix == "xml") continue;
    if (raw.find(binding.prefix + ":") == std::string_view::npos || DeclaresPrefix(raw, binding.prefix)) continue;
    AppendAttribute(out, "xmlns:" + binding.prefix, binding.uri);
  }
  return out;
}

// The slow path, for a root with a prefix: what has none inside is in the stream's default namespace, and must say so.
std::optional<std::string> WithoutRootPrefix(std::string_view raw, const StreamContext& context) {
  const std::vector<xml::NamespaceBinding> none;
  const auto element = xml::ParseWithin(context.namespaces == nullptr ? none : *context.namespaces, raw);
  if (!element) return std::nullopt;
  return element->ToString(kClientNs);
}

// ARCHITECTURE.md, "Canonical stanza": no xmlns for jabber:client, our `from`, the stream's language and prefixes.
void AppendCanonical(std::string& out, std::string_view raw, const Root& root, std::string_view declarations,
                     const StreamContext& context) {
  out.reserve(raw.size() + context.from.size() + context.lang.size() + declarations.size() + 48);
  out.append(raw.substr(0, root.name_end));
  AppendAttribute(out, "from", context.from);
  if (!root.has_lang && !context.lang.empty()) AppendAttribute(out, "xml:lang", context.lang);
  out.append(declarations);
  std::size_t at = root.name_end;
  const auto cut = [&](const RawAttribute& attribute) {
    out.append(raw.substr(at, attribute.begin - at));
    at = attribute.end;
  };
  const bool swapped = root.from && root.default_ns && root.default_ns->begin < root.from->begin;
  const auto& first = swapped ? root.default_ns : root.from;
  const auto& second = swapped ? root.from : root.default_ns;
  if (first) cut(*first);
  if (second) cut(*second);
  out.append(raw.substr(at));
}

std::optional<StanzaError> CheckIq(const Root& root, link::v1::Type type, std::string_view raw) {
  if (!root.id || root.id->empty()) return BadRequest("an iq needs an id");
  if (IsRequest(type) && CountChildren(raw, 2) != 1)
    return BadRequest("an iq of type get or set has exactly one child");
  return std::nullopt;
}

// RFC 6120 8.1.1 and 8.2.3.
std::optional<StanzaError> Check(const Envelope& envelope, const Root& root, std::string_view raw) {
  if (envelope.type() == link::v1::TYPE_UNSPECIFIED) return BadRequest("unknown stanza type");
  if (envelope.kind() == link::v1::KIND_IQ) return CheckIq(root, envelope.type(), raw);
  return std::nullopt;
}

// Sets `to`, in the stanza too. What is no JID stays as it was written, for the error to come back from there.
std::optional<StanzaError> SetTo(Envelope& envelope, std::string_view raw) {
  std::string storage;
  const std::string_view value = AttributeValue(raw, storage);
  auto jid = Jid::Parse(value, std::move(*envelope.mutable_to()));
  if (jid) {
    // RFC 7622 section 4: servers enforce; the recipient finds its own address there, however it was written.
    if (jid->str() != value) envelope.set_stanza(WithAttribute(envelope.stanza(), "to", jid->str()));
    envelope.set_to(std::move(*jid).str());
    return std::nullopt;
  }
  envelope.mutable_to()->assign(value);
  return JidMalformed();
}

void SetTypeAndId(Envelope& envelope, const Root& root) {
  std::string storage;
  envelope.set_type(TypeFromName(envelope.kind(), AttributeValue(root.type.value_or(""), storage)));
  // RFC 6121 4.7.1: available presence says so by having no type; an empty one is none of those that there are.
  const bool empty = root.type && root.type->empty();
  if (empty && envelope.kind() == link::v1::KIND_PRESENCE) envelope.set_type(link::v1::TYPE_UNSPECIFIED);
  if (!root.id) return;
  const std::string_view id = AttributeValue(*root.id, storage);
  envelope.mutable_id()->assign(id);
}

// `raw` is the child's own bytes or, where its root had a prefix, those that stand for it.
std::optional<ParsedStanza> Parse(link::v1::Kind kind, std::string_view raw, std::string_view declarations,
                                  const xml::Child& child, const StreamContext& context,
                                  std::unique_ptr<Envelope> empty) {
  const Root root = ReadRoot(raw);
  std::optional<ParsedStanza> parsed(std::in_place);
  parsed->envelope = std::move(empty);
  Envelope& envelope = *parsed->envelope;
  envelope.set_kind(kind);
  // Protobuf's set_from(data, size) makes a string, copies it and throws it away.
  envelope.mutable_from()->assign(context.from);
  SetTypeAndId(envelope, root);
  if (kind == link::v1::KIND_IQ) {  // the only kind that is dispatched by what it carries
    envelope.mutable_payload_ns()->assign(child.payload_ns);
    envelope.mutable_payload_name()->assign(child.payload_name);
  }
  AppendCanonical(*envelope.mutable_stanza(), raw, root, declarations, context);
  parsed->error = Check(envelope, root, raw);
  if (root.to) {
    auto malformed = SetTo(envelope, *root.to);
    if (malformed) parsed->error = std::move(malformed);
  }
  if (root.from) parsed->client_from = root.from->value;
  return parsed;
}

std::optional<ParsedStanza> ParsePrefixed(link::v1::Kind kind, const xml::Child& child, const StreamContext& context,
                                          std::unique_ptr<Envelope> empty) {
  const auto raw = WithoutRootPrefix(child.raw, context);
  if (!raw) return std::nullopt;
  auto parsed = Parse(kind, *raw, {}, child, context, std::move(empty));
  // A view of what lives on: the client's own bytes.
  const Root root = ReadRoot(child.raw);
  if (root.from) parsed->client_from = root.from->value;
  return parsed;
}

}  // namespace

std::optional<ParsedStanza> ParseStanza(const xml::Child& child, const StreamContext& context,
                                        std::unique_ptr<Envelope> empty) {
  const link::v1::Kind kind = KindFromName(child.start.local_name);
  if (kind == link::v1::KIND_UNSPECIFIED || child.start.ns != kClientNs) return std::nullopt;
  const bool prefixed = child.start.name.size() != child.start.local_name.size();
  if (prefixed) return ParsePrefixed(kind, child, context, std::move(empty));
  const std::string declarations =
      child.uses_stream_namespaces ? PrefixDeclarations(child.raw, context) : std::string();
  return Parse(kind, child.raw, declarations, child, context, std::move(empty));
}

}  // namespace parley::xmpp

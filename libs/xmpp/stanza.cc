#include "libs/xmpp/stanza.h"

#include <algorithm>

#include "libs/xmpp/start_tag.h"

namespace parley::xmpp {
namespace {

using link::v1::Kind;
using link::v1::Type;

void AppendAttribute(std::string& out, std::string_view name, std::string_view value) {
  out.append(" ").append(name).append("='");
  xml::AppendEscaped(out, value, xml::Use::kAttribute);
  out.append("'");
}

void AppendOptional(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) AppendAttribute(out, name, value);
}

// What a made stanza's start tag says.
struct Head {
  Kind kind;
  Type type;
  std::string_view from;
  std::string_view to;
  std::string_view id;
};

Envelope Make(const Head& head, std::string_view payload_xml) {
  const std::string_view name = KindName(head.kind);
  std::string xml;
  xml.reserve(payload_xml.size() + head.from.size() + head.to.size() + head.id.size() + 64);
  xml.append("<").append(name);
  AppendOptional(xml, "type", TypeName(head.type));
  AppendOptional(xml, "id", head.id);
  AppendOptional(xml, "from", head.from);
  AppendOptional(xml, "to", head.to);
  if (payload_xml.empty()) {
    xml.append("/>");
  } else {
    xml.append(">").append(payload_xml).append("</").append(name).append(">");
  }
  Envelope envelope;
  envelope.set_kind(head.kind);
  envelope.set_type(head.type);
  envelope.mutable_from()->assign(head.from);
  envelope.mutable_to()->assign(head.to);
  envelope.mutable_id()->assign(head.id);
  envelope.set_stanza(std::move(xml));
  return envelope;
}

Envelope Answer(const Envelope& envelope, Type type, std::string_view payload_xml) {
  const Head head{envelope.kind(), type, envelope.to(), envelope.from(), envelope.id()};
  return Make(head, payload_xml);
}

}  // namespace

AttributePlace::AttributePlace(std::string_view stanza, std::string_view name) : name_(name) {
  StartTagReader reader(stanza);
  RawAttribute attribute;
  std::size_t begin = reader.name_end();
  std::size_t end = begin;
  while (reader.Next(attribute)) {
    if (attribute.name != name) continue;
    begin = attribute.begin;
    end = attribute.end;
    break;
  }
  before_ = stanza.substr(0, begin);
  after_ = stanza.substr(end);
}

void AttributePlace::Fill(std::string_view value, std::string& out) const {
  out.clear();
  out.reserve(before_.size() + after_.size() + name_.size() + value.size() + 4);
  out.append(before_);
  AppendAttribute(out, name_, value);
  out.append(after_);
}

std::string WithAttribute(std::string_view stanza, std::string_view name, std::string_view value) {
  std::string out;
  AttributePlace(stanza, name).Fill(value, out);
  return out;
}

std::string WithoutAttribute(std::string_view stanza, std::string_view name) {
  StartTagReader reader(stanza);
  RawAttribute attribute;
  while (reader.Next(attribute)) {
    if (attribute.name != name) continue;
    return std::string(stanza.substr(0, attribute.begin)).append(stanza.substr(attribute.end));
  }
  return std::string(stanza);
}

std::string WithChild(std::string_view stanza, std::string_view xml) {
  std::string out;
  out.reserve(stanza.size() + xml.size() + 16);
  if (stanza.ends_with("/>") && EndOfTag(stanza, 0) == stanza.size()) {
    const std::string_view name = StartTagReader(stanza).name();
    out.append(stanza.substr(0, stanza.size() - 2)).append(">").append(xml);
    return out.append("</").append(name).append(">");
  }
  const std::size_t end_tag = std::min(stanza.rfind("</"), stanza.size());
  return out.append(stanza.substr(0, end_tag)).append(xml).append(stanza.substr(end_tag));
}

std::optional<Envelope> MakeError(const Envelope& envelope, const StanzaError& error) {
  const bool is_stanza = !KindName(envelope.kind()).empty();
  const bool is_result = envelope.kind() == link::v1::KIND_IQ && envelope.type() == link::v1::TYPE_RESULT;
  if (!is_stanza || is_result || envelope.type() == link::v1::TYPE_ERROR) return std::nullopt;
  return Answer(envelope, link::v1::TYPE_ERROR, error.ToXml());
}

Envelope MakeResult(const Envelope& request, std::string_view payload_xml) {
  return Answer(request, link::v1::TYPE_RESULT, payload_xml);
}

Envelope MakeIqSet(std::string_view from, std::string_view to, std::string_view id, std::string_view payload_xml) {
  return Make(Head{link::v1::KIND_IQ, link::v1::TYPE_SET, from, to, id}, payload_xml);
}

Envelope MakePresence(Type type, std::string_view from, std::string_view to, std::string_view payload_xml) {
  return Make(Head{link::v1::KIND_PRESENCE, type, from, to, {}}, payload_xml);
}

}  // namespace parley::xmpp

#include "services/c2s/stream/header.h"

#include <charconv>
#include <optional>

namespace parley::c2s {
namespace {

using xmpp::StreamError;

const xml::Attribute* Find(const xml::StartTag& tag, std::string_view name) {
  for (const auto& attribute : *tag.attributes) {
    if (attribute.name == name) return &attribute;
  }
  return nullptr;
}

std::string_view DefaultNamespace(const std::vector<xml::NamespaceBinding>& namespaces) {
  for (const auto& binding : namespaces) {
    if (binding.prefix.empty()) return binding.uri;
  }
  return {};
}

// RFC 6120 4.7.5: major and minor are separate numbers, leading zeros do not count.
std::optional<unsigned> MajorVersion(std::string_view version) {
  const auto dot = version.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  auto number = [](std::string_view digits) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  if (!number(version.substr(dot + 1))) return std::nullopt;
  return number(version.substr(0, dot));
}

std::optional<StreamError> JudgeNames(const xml::StartTag& tag, const std::vector<xml::NamespaceBinding>& namespaces) {
  if (tag.ns != kStreamsNs) return StreamError("invalid-namespace", "the stream's namespace is not known here");
  // RFC 6120 4.8.5 lets us ask for the usual prefix, 4.9.3.2 has the error.
  if (!tag.name.starts_with("stream:")) return StreamError("bad-namespace-prefix", "the prefix must be 'stream'");
  if (tag.local_name != "stream") return StreamError("bad-format", "the root element is not a stream header");
  if (DefaultNamespace(namespaces) != kClientNs) {
    return StreamError("invalid-namespace", "the content namespace must be jabber:client");
  }
  return std::nullopt;
}

std::optional<StreamError> JudgeVersion(const xml::StartTag& tag) {
  // RFC 6120 4.7.5: without it the stream is of version 0.9, which has neither TLS nor SASL.
  const auto version = MajorVersion(AttributeOf(tag, "version"));
  if (!version || *version < 1) return StreamError("unsupported-version", "version 1.0 is spoken here");
  return std::nullopt;
}

}  // namespace

std::string AttributeOf(const xml::StartTag& tag, std::string_view name) {
  const auto* attribute = Find(tag, name);
  return attribute ? xml::Unescape(attribute->value) : std::string();
}

Result<Header, StreamError> ReadHeader(const xml::StartTag& tag, const std::vector<xml::NamespaceBinding>& namespaces) {
  if (auto error = JudgeNames(tag, namespaces)) return *error;
  Header header;
  header.lang = AttributeOf(tag, "xml:lang");
  const auto to = xmpp::Jid::Parse(AttributeOf(tag, "to"));
  if (!to || !to->local().empty() || !to->is_bare()) {
    return StreamError("improper-addressing", "'to' must be the domain of the service");
  }
  header.to = to->str();
  if (Find(tag, "from")) {
    const auto from = xmpp::Jid::Parse(AttributeOf(tag, "from"));
    if (!from) return StreamError("improper-addressing", "'from' is not an address");
    header.from = *from;
  }
  if (auto error = JudgeVersion(tag)) return *error;
  return header;
}

std::string WriteHeader(const Response& response) {
  std::string out = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='";
  out.append(kStreamsNs).append("' version='1.0' id='").append(response.id).append("' from='");
  xml::AppendEscaped(out, response.from);
  if (!response.to.empty()) {
    out += "' to='";
    xml::AppendEscaped(out, response.to);
  }
  // RFC 6120 4.7.4: the language of our own texts, in the client's words for it where it asked for English.
  out += "' xml:lang='";
  const bool english = response.lang == "en" || response.lang.starts_with("en-");
  xml::AppendEscaped(out, english ? response.lang : "en");
  out += "'>";
  return out;
}

}  // namespace parley::c2s

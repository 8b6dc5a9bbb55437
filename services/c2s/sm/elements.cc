#include "services/c2s/sm/elements.h"

#include <charconv>

#include "services/c2s/stream/header.h"

namespace parley::c2s {
namespace {

std::string Open(std::string_view name) {
  std::string xml = "<";
  return xml.append(name).append(" xmlns='").append(kSmNs).append("'");
}

void Attribute(std::string& xml, std::string_view name, std::string_view value) {
  xml.append(" ").append(name).append("='");
  xml::AppendEscaped(xml, value);
  xml += "'";
}

}  // namespace

std::string SmAnswer(std::uint32_t handled) {
  std::string xml = Open("a");
  Attribute(xml, "h", std::to_string(handled));
  return xml + "/>";
}

std::string ToXml(const SmEnabled& enabled) {
  std::string xml = Open("enabled");
  if (!enabled.id.empty()) {
    Attribute(xml, "id", enabled.id);
    Attribute(xml, "resume", "true");
    Attribute(xml, "max", std::to_string(enabled.max_seconds));
    if (!enabled.location.empty()) Attribute(xml, "location", enabled.location);
  }
  return xml + "/>";
}

std::string SmResumed(std::string_view id, std::uint32_t handled) {
  std::string xml = Open("resumed");
  Attribute(xml, "previd", id);
  Attribute(xml, "h", std::to_string(handled));
  return xml + "/>";
}

std::string SmFailed(std::string_view condition, std::optional<std::uint32_t> handled) {
  std::string xml = Open("failed");
  if (handled) Attribute(xml, "h", std::to_string(*handled));
  return xml.append("><").append(condition).append(" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
}

xmpp::StreamError SmTooHigh(std::uint32_t handled, std::uint32_t sent) {
  std::string xml = Open("handled-count-too-high");
  Attribute(xml, "h", std::to_string(handled));
  Attribute(xml, "send-count", std::to_string(sent));
  return xmpp::StreamError("undefined-condition", "more was acknowledged than was sent").With(xml + "/>");
}

std::optional<std::uint32_t> SmNumber(const xml::StartTag& tag, std::string_view name) {
  const std::string text = AttributeOf(tag, name);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace parley::c2s

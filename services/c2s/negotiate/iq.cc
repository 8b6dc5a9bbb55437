#include "services/c2s/negotiate/iq.h"

#include "libs/xml/element_parse.h"

namespace parley::c2s {
namespace {

std::string Start(std::string_view type, std::string_view id) {
  std::string xml = "<iq type='";
  xml.append(type).append("'");
  if (id.empty()) return xml;
  xml += " id='";
  xml::AppendEscaped(xml, id);
  return xml + "'";
}

}  // namespace

std::optional<IqRequest> ReadIq(const xml::Child& child, const std::vector<xml::NamespaceBinding>& stream_namespaces) {
  const auto iq = xml::ParseWithin(stream_namespaces, child.raw);
  if (!iq) return std::nullopt;
  const auto type = iq->attr("type");
  const auto id = iq->attr("id");
  const auto children = iq->children();
  if (!id || id->empty() || children.size() != 1 || (type != "get" && type != "set")) return std::nullopt;
  IqRequest request;
  request.set = type == "set";
  request.id = *id;
  request.payload = *children.front();
  return request;
}

std::string IqResult(std::string_view id, std::string_view payload_xml) {
  std::string xml = Start("result", id);
  if (payload_xml.empty()) return xml + "/>";
  return xml.append(">").append(payload_xml).append("</iq>");
}

std::string IqError(std::string_view id, const xmpp::StanzaError& error) {
  return Start("error", id) + ">" + error.ToXml() + "</iq>";
}

}  // namespace parley::c2s

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"

// Requests that the edge answers by itself, before there is a session that could be addressed.
namespace parley::c2s {

struct IqRequest {
  bool set = false;  // else get
  std::string id;
  xml::Element payload;
};

// nullopt: not a get or set, without an id, or without exactly one child (RFC 6120 8.2.3).
std::optional<IqRequest> ReadIq(const xml::Child& child, const std::vector<xml::NamespaceBinding>& stream_namespaces);

std::string IqResult(std::string_view id, std::string_view payload_xml = {});
std::string IqError(std::string_view id, const xmpp::StanzaError& error);

}  // namespace parley::c2s

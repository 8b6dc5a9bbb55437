#pragma once

#include <string>
#include <string_view>

#include "libs/xml/scanner.h"
#include "libs/xmpp/stanza.h"

// XEP-0199. Server to client: whether a silent client still is there; its answer goes no further. Client to server
// (4.2): the edge answers for the domain.
namespace parley::c2s {

inline constexpr std::string_view kPingId = "c2s-are-you-there";

inline std::string PingStanza(std::string_view domain) {
  std::string ping = "<iq type='get' id='";
  ping.append(kPingId).append("' from='");
  xml::AppendEscaped(ping, domain);
  ping += "'><ping xmlns='urn:xmpp:ping'/></iq>";
  return ping;
}

// A result or error (the client does not know pings): either way it lives. `domain`: of its host.
inline bool IsPong(const xmpp::Envelope& envelope, std::string_view domain) {
  const bool answer = envelope.type() == link::v1::TYPE_RESULT || envelope.type() == link::v1::TYPE_ERROR;
  return envelope.kind() == link::v1::KIND_IQ && answer && envelope.id() == kPingId &&
         (envelope.to().empty() || envelope.to() == domain);
}

// Of a client, to its own server. `domain`: of its host.
inline bool IsPing(const xmpp::Envelope& envelope, std::string_view domain) {
  return envelope.kind() == link::v1::KIND_IQ && envelope.type() == link::v1::TYPE_GET && envelope.to() == domain &&
         envelope.payload_name() == "ping" && envelope.payload_ns() == "urn:xmpp:ping";
}

}  // namespace parley::c2s

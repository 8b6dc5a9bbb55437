#pragma once

#include <string>
#include <string_view>

#include "libs/xml/scanner.h"
#include "libs/xmpp/stanza.h"

// XEP-0199, server to client: whether a silent client still is there. Its answer goes no further.
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

}  // namespace parley::c2s

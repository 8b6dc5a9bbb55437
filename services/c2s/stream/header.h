#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/base/result.h"
#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"
#include "libs/xmpp/jid.h"

// Stream headers (RFC 6120 section 4.7), as pure functions.
namespace parley::c2s {

inline constexpr std::string_view kStreamsNs = "http://etherx.jabber.org/streams";
inline constexpr std::string_view kClientNs = "jabber:client";

// What a client's header says, once it is found good.
struct Header {
  std::string to;  // a prepared domain
  xmpp::Jid from;  // empty if not given
  std::string lang;
};

// Whether `to` is one of our domains, and the one of this stream, is the caller's business.
Result<Header, xmpp::StreamError> ReadHeader(const xml::StartTag& tag,
                                             const std::vector<xml::NamespaceBinding>& namespaces);

struct Response {
  std::string_view id;
  std::string_view from;
  std::string_view to;    // the client's `from`; empty: none
  std::string_view lang;  // the client's
};
std::string WriteHeader(const Response& response);

// The value of an attribute with this name as written, unescaped; empty if there is none.
std::string AttributeOf(const xml::StartTag& tag, std::string_view name);

}  // namespace parley::c2s

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/xml/scanner.h"
#include "libs/xmpp/errors.h"
#include "libs/xmpp/jid.h"
#include "parley/link/v1/link.pb.h"

// Stanzas as bytes: reading what routing needs, and writing what changes, without a tree.
namespace parley::xmpp {

using link::v1::Envelope;

// Builds the envelope of a client's stanza: kind, type, to, id, payload and the canonical bytes with `from` stamped.
// Errors are what the sender gets back: jid-malformed for `to`, bad-request for an unknown type, a get or set without
// an id or without exactly one child (RFC 6120 8.2.3), not-authorized is not judged here (the caller compares `from`).
// nullopt in `unsupported`: not message, presence or iq in jabber:client (the stream error unsupported-stanza-type).
struct Parsed {
  Envelope envelope;
  std::optional<StanzaError> error;  // envelope then has kind, type, id and from at least, enough to answer
};
std::optional<Parsed> ParseStanza(const xml::Child& child, const std::vector<xml::NamespaceBinding>& stream_namespaces,
                                  std::string_view from);

// Canonical stanza (ARCHITECTURE.md): the root is unprefixed in jabber:client, declares every prefix of the stream
// header that is used inside, and has `from`. Only differs from the client's bytes where it must.
std::string Canonical(const xml::Child& child, const std::vector<xml::NamespaceBinding>& stream_namespaces,
                      std::string_view from);

// Sets or replaces one attribute of the root's start tag; the rest stays byte for byte.
std::string WithAttribute(std::string_view stanza, std::string_view name, std::string_view value);
std::string WithoutAttribute(std::string_view stanza, std::string_view name);
// Inserts `xml` as the last child of the root (also of an empty one): XEP-0203 delay and the like.
std::string WithChild(std::string_view stanza, std::string_view xml);

// The answer to `envelope` (RFC 6120 8.1.2.1, 8.3.1): to and from swapped, same id. An error never answers an error or
// an iq result: nullopt then. For these the new envelope carries `answers`/session only if the caller sets them.
std::optional<Envelope> MakeError(const Envelope& envelope, const StanzaError& error);
Envelope MakeResult(const Envelope& request, std::string_view payload_xml);

// A stanza made by the server: "<iq|message|presence ...attributes...>payload</...>".
Envelope MakeIqSet(std::string_view from, std::string_view to, std::string_view id, std::string_view payload_xml);
Envelope MakePresence(link::v1::Type type, std::string_view from, std::string_view to,
                      std::string_view payload_xml = {});

std::string_view TypeName(link::v1::Type type);  // as in the type attribute; "" for AVAILABLE
std::string_view KindName(link::v1::Kind kind);  // "message", "presence", "iq"

}  // namespace parley::xmpp

#pragma once

#include <cstdint>
#include <memory>
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

// What a stanza inherits from the stream that it came on.
struct StreamContext {
  const std::vector<xml::NamespaceBinding>* namespaces = nullptr;  // of the client's stream header
  std::string_view lang;  // its xml:lang, put on stanzas that have none (RFC 6120 8.1.5)
  std::string_view from;  // full JID of the session, stamped on every stanza
};

// What routing needs of a client's stanza.
struct ParsedStanza {
  std::unique_ptr<Envelope> envelope;  // kind, type, from, to, id, payload and canonical bytes
  // What the sender gets back instead: jid-malformed for `to`, bad-request for an unknown presence or iq type, an iq
  // without id, a get or set without exactly one child (RFC 6120 8.2.3). The envelope then has enough to answer.
  std::optional<StanzaError> error;
  std::string_view
      client_from;  // the `from` as the client wrote it, raw; empty if none. The caller judges it (invalid-from).
};
// Fills `empty`, which may bring memory of an earlier use.
// nullopt: not message, presence or iq in jabber:client (stream error unsupported-stanza-type).
std::optional<ParsedStanza> ParseStanza(const xml::Child& child, const StreamContext& context,
                                        std::unique_ptr<Envelope> empty = std::make_unique<Envelope>());

// The place of one attribute in the root's start tag, to be filled with several values in turn. A view of the stanza.
class AttributePlace {
 public:
  AttributePlace(std::string_view stanza, std::string_view name);
  // The stanza with this value in place of the one that it has, if any; the rest byte for byte. Replaces `out`.
  void Fill(std::string_view value, std::string& out) const;

 private:
  std::string_view name_;
  std::string_view before_;
  std::string_view after_;
};
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

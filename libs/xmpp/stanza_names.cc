#include "libs/xmpp/stanza_names.h"

#include "libs/xmpp/stanza.h"

namespace parley::xmpp {
namespace {

using link::v1::Kind;
using link::v1::Type;

struct TypeWord {
  Kind kind;
  std::string_view name;
  Type type;
};

constexpr TypeWord kTypes[] = {
    {link::v1::KIND_MESSAGE, "chat", link::v1::TYPE_CHAT},
    {link::v1::KIND_MESSAGE, "groupchat", link::v1::TYPE_GROUPCHAT},
    {link::v1::KIND_MESSAGE, "normal", link::v1::TYPE_NORMAL},
    {link::v1::KIND_MESSAGE, "headline", link::v1::TYPE_HEADLINE},
    {link::v1::KIND_MESSAGE, "error", link::v1::TYPE_ERROR},
    {link::v1::KIND_PRESENCE, "", link::v1::TYPE_AVAILABLE},
    {link::v1::KIND_PRESENCE, "unavailable", link::v1::TYPE_UNAVAILABLE},
    {link::v1::KIND_PRESENCE, "subscribe", link::v1::TYPE_SUBSCRIBE},
    {link::v1::KIND_PRESENCE, "subscribed", link::v1::TYPE_SUBSCRIBED},
    {link::v1::KIND_PRESENCE, "unsubscribe", link::v1::TYPE_UNSUBSCRIBE},
    {link::v1::KIND_PRESENCE, "unsubscribed", link::v1::TYPE_UNSUBSCRIBED},
    {link::v1::KIND_PRESENCE, "probe", link::v1::TYPE_PROBE},
    {link::v1::KIND_PRESENCE, "error", link::v1::TYPE_ERROR},
    {link::v1::KIND_IQ, "get", link::v1::TYPE_GET},
    {link::v1::KIND_IQ, "set", link::v1::TYPE_SET},
    {link::v1::KIND_IQ, "result", link::v1::TYPE_RESULT},
    {link::v1::KIND_IQ, "error", link::v1::TYPE_ERROR},
};

}  // namespace

Kind KindFromName(std::string_view name) {
  if (name == "message") return link::v1::KIND_MESSAGE;
  if (name == "presence") return link::v1::KIND_PRESENCE;
  if (name == "iq") return link::v1::KIND_IQ;
  return link::v1::KIND_UNSPECIFIED;
}

Type TypeFromName(Kind kind, std::string_view name) {
  for (const TypeWord& word : kTypes) {
    if (word.kind == kind && word.name == name) return word.type;
  }
  // RFC 6121 5.2.2: none, or one that we do not know.
  return kind == link::v1::KIND_MESSAGE ? link::v1::TYPE_NORMAL : link::v1::TYPE_UNSPECIFIED;
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case link::v1::KIND_MESSAGE:
      return "message";
    case link::v1::KIND_PRESENCE:
      return "presence";
    case link::v1::KIND_IQ:
      return "iq";
    default:
      return {};
  }
}

std::string_view TypeName(Type type) {
  for (const TypeWord& word : kTypes) {
    if (word.type == type) return word.name;
  }
  return {};
}

}  // namespace parley::xmpp

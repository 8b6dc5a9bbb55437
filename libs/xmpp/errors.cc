#include "libs/xmpp/errors.h"

#include <algorithm>
#include <array>

#include "libs/xml/scanner.h"

namespace parley::xmpp {
namespace {

constexpr std::string_view kStanzasNs = "urn:ietf:params:xml:ns:xmpp-stanzas";
constexpr std::string_view kStreamsNs = "urn:ietf:params:xml:ns:xmpp-streams";

struct Condition {
  std::string_view name;
  std::string_view type;
};

// RFC 6120 8.3.3.1 to 8.3.3.22, in its order.
constexpr std::array kConditions = {
    Condition{"bad-request", "modify"},
    Condition{"conflict", "cancel"},
    Condition{"feature-not-implemented", "cancel"},
    Condition{"forbidden", "auth"},
    Condition{"gone", "cancel"},
    Condition{"internal-server-error", "cancel"},
    Condition{"item-not-found", "cancel"},
    Condition{"jid-malformed", "modify"},
    Condition{"not-acceptable", "modify"},
    Condition{"not-allowed", "cancel"},
    Condition{"not-authorized", "auth"},
    Condition{"policy-violation", "modify"},
    Condition{"recipient-unavailable", "wait"},
    Condition{"redirect", "modify"},
    Condition{"registration-required", "auth"},
    Condition{"remote-server-not-found", "cancel"},
    Condition{"remote-server-timeout", "wait"},
    Condition{"resource-constraint", "wait"},
    Condition{"service-unavailable", "cancel"},
    Condition{"subscription-required", "auth"},
    Condition{"undefined-condition", "cancel"},
    Condition{"unexpected-request", "wait"},
};

// RFC 6120 4.9.3.
constexpr std::array<std::string_view, 25> kStreamConditions = {
    "bad-format",
    "bad-namespace-prefix",
    "conflict",
    "connection-timeout",
    "host-gone",
    "host-unknown",
    "improper-addressing",
    "internal-server-error",
    "invalid-from",
    "invalid-namespace",
    "invalid-xml",
    "not-authorized",
    "not-well-formed",
    "policy-violation",
    "remote-connection-failed",
    "reset",
    "resource-constraint",
    "restricted-xml",
    "see-other-host",
    "system-shutdown",
    "undefined-condition",
    "unsupported-encoding",
    "unsupported-feature",
    "unsupported-stanza-type",
    "unsupported-version",
};

void AppendEmpty(std::string& out, std::string_view name, std::string_view ns) {
  out.append("<").append(name).append(" xmlns='").append(ns).append("'/>");
}

void AppendText(std::string& out, std::string_view text, std::string_view ns) {
  if (text.empty()) return;
  out.append("<text xmlns='").append(ns).append("' xml:lang='en'>");
  xml::AppendEscaped(out, text);
  out.append("</text>");
}

}  // namespace

std::string StanzaError::ToXml() const {
  std::string out;
  out.append("<error type='").append(type_).append("'>");
  AppendEmpty(out, condition_, kStanzasNs);
  AppendText(out, text_, kStanzasNs);
  out.append("</error>");
  return out;
}

StanzaError FromCondition(std::string_view condition, std::string text) {
  const auto* found = std::ranges::find(kConditions, condition, &Condition::name);
  if (found == kConditions.end()) return StanzaError("cancel", "undefined-condition", std::move(text));
  return StanzaError(found->type, found->name, std::move(text));
}

StanzaError BadRequest(std::string text) { return FromCondition("bad-request", std::move(text)); }
StanzaError Conflict(std::string text) { return FromCondition("conflict", std::move(text)); }
StanzaError FeatureNotImplemented(std::string text) {
  return FromCondition("feature-not-implemented", std::move(text));
}
StanzaError Forbidden(std::string text) { return FromCondition("forbidden", std::move(text)); }
StanzaError InternalServerError(std::string text) { return FromCondition("internal-server-error", std::move(text)); }
StanzaError ItemNotFound(std::string text) { return FromCondition("item-not-found", std::move(text)); }
StanzaError JidMalformed(std::string text) { return FromCondition("jid-malformed", std::move(text)); }
StanzaError NotAcceptable(std::string text) { return FromCondition("not-acceptable", std::move(text)); }
StanzaError NotAllowed(std::string text) { return FromCondition("not-allowed", std::move(text)); }
StanzaError NotAuthorized(std::string text) { return FromCondition("not-authorized", std::move(text)); }
StanzaError PolicyViolation(std::string text) { return FromCondition("policy-violation", std::move(text)); }
StanzaError RecipientUnavailable(std::string text) { return FromCondition("recipient-unavailable", std::move(text)); }
StanzaError RegistrationRequired(std::string text) { return FromCondition("registration-required", std::move(text)); }
StanzaError RemoteServerNotFound(std::string text) { return FromCondition("remote-server-not-found", std::move(text)); }
StanzaError RemoteServerTimeout(std::string text) { return FromCondition("remote-server-timeout", std::move(text)); }
StanzaError ResourceConstraint(std::string text) { return FromCondition("resource-constraint", std::move(text)); }
StanzaError ServiceUnavailable(std::string text) { return FromCondition("service-unavailable", std::move(text)); }
StanzaError SubscriptionRequired(std::string text) { return FromCondition("subscription-required", std::move(text)); }
StanzaError UnexpectedRequest(std::string text) { return FromCondition("unexpected-request", std::move(text)); }

std::string StreamError::ToXml() const {
  std::string out = "<stream:error>";
  if (content_.empty()) {
    AppendEmpty(out, condition_, kStreamsNs);
  } else {
    out.append("<").append(condition_).append(" xmlns='").append(kStreamsNs).append("'>");
    xml::AppendEscaped(out, content_);
    out.append("</").append(condition_).append(">");
  }
  AppendText(out, text_, kStreamsNs);
  out.append(application_).append("</stream:error>");
  return out;
}

StreamError StreamErrorFromCondition(std::string_view condition, std::string text) {
  const auto* found = std::ranges::find(kStreamConditions, condition);
  return StreamError(found == kStreamConditions.end() ? "undefined-condition" : *found, std::move(text));
}

}  // namespace parley::xmpp

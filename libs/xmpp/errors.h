#pragma once

#include <string>
#include <string_view>

namespace parley::xmpp {

// A stanza error (RFC 6120 section 8.3): type, defined condition, text, and an optional application condition.
// Made by name, see below, so that type and condition always fit.
class StanzaError {
 public:
  StanzaError() = default;  // undefined-condition
  StanzaError(std::string_view type, std::string_view condition, std::string text = {})
      : type_(type), condition_(condition), text_(std::move(text)) {}
  std::string_view type() const { return type_; }
  std::string_view condition() const { return condition_; }
  const std::string& text() const { return text_; }
  // "<error type='..'><condition xmlns='..'/><text ..>..</text></error>"
  std::string ToXml() const;

 private:
  std::string_view type_ = "cancel";                    // static storage
  std::string_view condition_ = "undefined-condition";  // static storage
  std::string text_;
};

// RFC 6120 8.3.3, with the error type that each section recommends.
StanzaError BadRequest(std::string text = {});
StanzaError Conflict(std::string text = {});
StanzaError FeatureNotImplemented(std::string text = {});
StanzaError Forbidden(std::string text = {});
StanzaError InternalServerError(std::string text = {});
StanzaError ItemNotFound(std::string text = {});
StanzaError JidMalformed(std::string text = {});
StanzaError NotAcceptable(std::string text = {});
StanzaError NotAllowed(std::string text = {});
StanzaError NotAuthorized(std::string text = {});
StanzaError PolicyViolation(std::string text = {});
StanzaError RecipientUnavailable(std::string text = {});
StanzaError RegistrationRequired(std::string text = {});
StanzaError RemoteServerNotFound(std::string text = {});
StanzaError RemoteServerTimeout(std::string text = {});
StanzaError ResourceConstraint(std::string text = {});
StanzaError ServiceUnavailable(std::string text = {});
StanzaError SubscriptionRequired(std::string text = {});
StanzaError UnexpectedRequest(std::string text = {});
// By condition name as peers send it over the wire between services; undefined-condition if unknown.
StanzaError FromCondition(std::string_view condition, std::string text = {});

// A stream error (RFC 6120 section 4.9): the stream ends with it.
class StreamError {
 public:
  StreamError() = default;  // undefined-condition
  explicit StreamError(std::string_view condition, std::string text = {}, std::string content = {})
      : condition_(condition), text_(std::move(text)), content_(std::move(content)) {}
  std::string_view condition() const { return condition_; }
  const std::string& text() const { return text_; }
  // Adds an application-specific condition (RFC 6120 4.9.4), as XML.
  StreamError&& With(std::string application) && {
    application_ = std::move(application);
    return std::move(*this);
  }
  // "<stream:error>...</stream:error>"; `content` is the text of the condition itself (see-other-host).
  std::string ToXml() const;

 private:
  std::string_view condition_ = "undefined-condition";  // static storage
  std::string text_;
  std::string content_;
  std::string application_;
};
// By a condition's name as peers send it between services; undefined-condition if unknown.
StreamError StreamErrorFromCondition(std::string_view condition, std::string text = {});

}  // namespace parley::xmpp

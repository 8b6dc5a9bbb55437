#include "libs/xmpp/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace parley::xmpp {
namespace {

// RFC 6120 8.3.3: condition and type of every error that has a name.
TEST(StanzaErrorTest, TypesFitTheirConditions) {
  const std::vector<std::tuple<StanzaError, std::string, std::string>> rows = {
      {BadRequest(), "bad-request", "modify"},
      {Conflict(), "conflict", "cancel"},
      {FeatureNotImplemented(), "feature-not-implemented", "cancel"},
      {Forbidden(), "forbidden", "auth"},
      {FromCondition("gone"), "gone", "cancel"},
      {InternalServerError(), "internal-server-error", "cancel"},
      {ItemNotFound(), "item-not-found", "cancel"},
      {JidMalformed(), "jid-malformed", "modify"},
      {NotAcceptable(), "not-acceptable", "modify"},
      {NotAllowed(), "not-allowed", "cancel"},
      {NotAuthorized(), "not-authorized", "auth"},
      {PolicyViolation(), "policy-violation", "modify"},
      {RecipientUnavailable(), "recipient-unavailable", "wait"},
      {FromCondition("redirect"), "redirect", "modify"},
      {RegistrationRequired(), "registration-required", "auth"},
      {RemoteServerNotFound(), "remote-server-not-found", "cancel"},
      {RemoteServerTimeout(), "remote-server-timeout", "wait"},
      {ResourceConstraint(), "resource-constraint", "wait"},
      {ServiceUnavailable(), "service-unavailable", "cancel"},
      {SubscriptionRequired(), "subscription-required", "auth"},
      {StanzaError(), "undefined-condition", "cancel"},
      {UnexpectedRequest(), "unexpected-request", "wait"},
      {FromCondition("no-such-thing"), "undefined-condition", "cancel"},
  };
  for (const auto& [error, condition, type] : rows) {
    EXPECT_EQ(error.condition(), condition);
    EXPECT_EQ(error.type(), type);
    EXPECT_EQ(FromCondition(condition).type(), type);
  }
}

TEST(StanzaErrorTest, WritesXml) {
  EXPECT_EQ(ItemNotFound().ToXml(),
            "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
  EXPECT_EQ(BadRequest("a < b & c").ToXml(),
            "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>a &lt; b &amp; c</text></error>");
}

TEST(StreamErrorTest, WritesXml) {
  EXPECT_EQ(StreamError("host-unknown").ToXml(),
            "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
  EXPECT_EQ(StreamError("see-other-host", "over there", "[2001:db8::1]:9222").ToXml(),
            "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[2001:db8::1]:9222"
            "</see-other-host><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>over there</text>"
            "</stream:error>");
}

TEST(StreamErrorTest, ConditionsFromOtherServicesAreChecked) {
  EXPECT_EQ(StreamErrorFromCondition(std::string("conflict")).condition(), "conflict");
  EXPECT_EQ(StreamErrorFromCondition("x'/><evil").condition(), "undefined-condition");
}

}  // namespace
}  // namespace parley::xmpp

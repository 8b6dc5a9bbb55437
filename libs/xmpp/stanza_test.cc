#include "libs/xmpp/stanza.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parley::xmpp {
namespace {

using link::v1::Kind;
using link::v1::Type;

Envelope EnvelopeOf(Kind kind, Type type) {
  Envelope envelope;
  envelope.set_kind(kind);
  envelope.set_type(type);
  envelope.set_from("romeo@example.net/orchard");
  envelope.set_to("juliet@example.com/a'b");
  envelope.set_id("a<b");
  return envelope;
}

TEST(AttributeEditTest, SetsReplacesAndRemoves) {
  EXPECT_EQ(WithAttribute("<iq/>", "to", "a'b"), "<iq to='a&apos;b'/>");
  EXPECT_EQ(WithAttribute("<iq id='1'>x</iq>", "to", "b"), "<iq to='b' id='1'>x</iq>");
  EXPECT_EQ(WithAttribute("<iq x:to='1' \n to = \"a>\" id='2'/>", "to", "b"), "<iq x:to='1' to='b' id='2'/>");
  EXPECT_EQ(WithAttribute("<iq id='/>' a='to='/>", "to", "b"), "<iq to='b' id='/>' a='to='/>");
  EXPECT_EQ(WithoutAttribute("<iq to='b' id='1'/>", "to"), "<iq id='1'/>");
  EXPECT_EQ(WithoutAttribute("<iq id='1'\tto='b'>to='c'</iq>", "to"), "<iq id='1'>to='c'</iq>");
  EXPECT_EQ(WithoutAttribute("<iq x:to='b'/>", "to"), "<iq x:to='b'/>");
}

TEST(WithChildTest, BecomesTheLastChild) {
  EXPECT_EQ(WithChild("<presence/>", "<x/>"), "<presence><x/></presence>");
  EXPECT_EQ(WithChild("<presence a='/>' />", "<x/>"), "<presence a='/>' ><x/></presence>");
  EXPECT_EQ(WithChild("<message><body>&lt;/message></body></message>", "<x/>"),
            "<message><body>&lt;/message></body><x/></message>");
  EXPECT_EQ(WithChild("<message><x/></message >", "<y/>"), "<message><x/><y/></message >");
}

TEST(MakeErrorTest, SwapsAddressesAndKeepsTheId) {
  const auto error = MakeError(EnvelopeOf(link::v1::KIND_IQ, link::v1::TYPE_GET), ServiceUnavailable());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->from(), "juliet@example.com/a'b");
  EXPECT_EQ(error->to(), "romeo@example.net/orchard");
  EXPECT_EQ(error->id(), "a<b");
  EXPECT_EQ(error->kind(), link::v1::KIND_IQ);
  EXPECT_EQ(error->type(), link::v1::TYPE_ERROR);
  EXPECT_EQ(error->stanza(),
            "<iq type='error' id='a&lt;b' from='juliet@example.com/a&apos;b' to='romeo@example.net/orchard'>"
            "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

TEST(MakeErrorTest, NeverAnswersAnErrorOrAResult) {
  for (const Kind kind : {link::v1::KIND_MESSAGE, link::v1::KIND_PRESENCE, link::v1::KIND_IQ}) {
    EXPECT_FALSE(MakeError(EnvelopeOf(kind, link::v1::TYPE_ERROR), BadRequest()));
  }
  EXPECT_FALSE(MakeError(EnvelopeOf(link::v1::KIND_IQ, link::v1::TYPE_RESULT), BadRequest()));
  EXPECT_FALSE(MakeError(EnvelopeOf(link::v1::KIND_CONTROL, link::v1::TYPE_UNSPECIFIED), BadRequest()));
  EXPECT_TRUE(MakeError(EnvelopeOf(link::v1::KIND_IQ, link::v1::TYPE_UNSPECIFIED), BadRequest()));
  EXPECT_TRUE(MakeError(EnvelopeOf(link::v1::KIND_PRESENCE, link::v1::TYPE_SUBSCRIBE), BadRequest()));
}

// RFC 6120 8.1.2.1: an answer for the account itself need not say from whom.
TEST(MakeErrorTest, StanzaWithoutToIsAnsweredWithoutFrom) {
  Envelope envelope = EnvelopeOf(link::v1::KIND_MESSAGE, link::v1::TYPE_CHAT);
  envelope.clear_to();
  envelope.clear_id();
  EXPECT_EQ(MakeError(envelope, NotAllowed())->stanza(),
            "<message type='error' to='romeo@example.net/orchard'><error type='cancel'>"
            "<not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
}

TEST(MakeStanzaTest, WritesWhatTheServerSays) {
  EXPECT_EQ(
      MakeResult(EnvelopeOf(link::v1::KIND_IQ, link::v1::TYPE_GET), "<q/>").stanza(),
      "<iq type='result' id='a&lt;b' from='juliet@example.com/a&apos;b' to='romeo@example.net/orchard'><q/></iq>");
  const Envelope set = MakeIqSet("", "a@b/c", "1", "<q/>");
  EXPECT_EQ(set.stanza(), "<iq type='set' id='1' to='a@b/c'><q/></iq>");
  EXPECT_EQ(set.type(), link::v1::TYPE_SET);
  const Envelope available = MakePresence(link::v1::TYPE_AVAILABLE, "a@b/c", "d@e");
  EXPECT_EQ(available.stanza(), "<presence from='a@b/c' to='d@e'/>");
  EXPECT_EQ(available.kind(), link::v1::KIND_PRESENCE);
  EXPECT_EQ(MakePresence(link::v1::TYPE_UNAVAILABLE, "a@b/c", "d@e", "<status/>").stanza(),
            "<presence type='unavailable' from='a@b/c' to='d@e'><status/></presence>");
}

TEST(NamesTest, KindsAndTypesAsWords) {
  EXPECT_EQ(KindName(link::v1::KIND_MESSAGE), "message");
  EXPECT_EQ(KindName(link::v1::KIND_CONTROL), "");
  EXPECT_EQ(TypeName(link::v1::TYPE_AVAILABLE), "");
  EXPECT_EQ(TypeName(link::v1::TYPE_UNSPECIFIED), "");
  EXPECT_EQ(TypeName(link::v1::TYPE_SUBSCRIBED), "subscribed");
  EXPECT_EQ(TypeName(link::v1::TYPE_ERROR), "error");
}

}  // namespace
}  // namespace parley::xmpp

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "libs/xml/element.h"
#include "libs/xmpp/stanza.h"

namespace parley::xmpp {
namespace {

using link::v1::Type;

constexpr std::string_view kFrom = "romeo@example.net/orchard";
constexpr std::string_view kHeader =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    " xmlns:x='urn:x' xmlns:amp='a&amp;b' version='1.0'>";

// One stanza on a stream with this header, read by the scanner.
struct Reading final : xml::Handler {
  explicit Reading(std::string_view stanza, std::string_view header = kHeader, std::string_view lang = {})
      : text(std::string(header).append(stanza)), lang(lang) {
    std::size_t consumed = 0;
    EXPECT_NE(scanner.Feed(text, *this, consumed), xml::Scanner::Status::kFault) << stanza;
    EXPECT_TRUE(seen) << stanza;
  }
  void OnStreamOpen(const xml::StartTag&) override {}
  void OnChild(const xml::Child& child) override {
    seen = true;
    auto result = ParseStanza(child, {.namespaces = &scanner.stream_namespaces(), .lang = lang, .from = kFrom});
    if (!result) return;
    client_from = result->client_from;
    parsed = std::move(result);
  }
  void OnStreamClose() override {}

  const Envelope& envelope() const { return *parsed.value().envelope; }
  const std::string& stanza() const { return envelope().stanza(); }
  std::string condition() const {
    const auto& error = parsed.value().error;
    return error ? std::string(error->condition()) : std::string();
  }

  xml::Scanner scanner{xml::Limits{}};
  std::string text;
  std::string_view lang;
  bool seen = false;
  std::string client_from;
  std::optional<ParsedStanza> parsed;
};

TEST(ParseStanzaTest, ReadsWhatRoutingNeeds) {
  const Reading reading("<message to='Juliet@Example.com' type='chat' id='m1'><body>hi &amp; bye</body></message>");
  EXPECT_EQ(reading.envelope().kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(reading.envelope().type(), link::v1::TYPE_CHAT);
  EXPECT_EQ(reading.envelope().from(), kFrom);
  EXPECT_EQ(reading.envelope().to(), "juliet@example.com");
  EXPECT_EQ(reading.envelope().id(), "m1");
  EXPECT_EQ(reading.condition(), "");
  EXPECT_EQ(reading.stanza(),
            "<message from='romeo@example.net/orchard' to='juliet@example.com' type='chat' id='m1'>"
            "<body>hi &amp; bye</body></message>");
}

TEST(ParseStanzaTest, AnEmptyTypeIsNoType) {  // RFC 6121 4.7.1, 5.2.2
  EXPECT_EQ(Reading("<presence type=''/>").condition(), "bad-request");
  EXPECT_EQ(Reading("<iq type='' id='1'/>").condition(), "bad-request");
  EXPECT_EQ(Reading("<message type=''/>").envelope().type(), link::v1::TYPE_NORMAL);
  EXPECT_EQ(Reading("<presence/>").condition(), "");
}

TEST(ParseStanzaTest, StampsFromOverTheClientsOwn) {
  const Reading reading("<presence  to=\"a@b\"\n from = 'x&amp;y@z'  xmlns='jabber:client' id='1' />");
  EXPECT_EQ(reading.stanza(), "<presence from='romeo@example.net/orchard'  to=\"a@b\" id='1' />");
  EXPECT_EQ(reading.client_from, "x&amp;y@z");
  const Reading other("<presence xmlns='jabber:client' from='a@b'/>");
  EXPECT_EQ(other.stanza(), "<presence from='romeo@example.net/orchard'/>");
  EXPECT_EQ(Reading("<presence/>").client_from, "");
}

TEST(ParseStanzaTest, EntitiesInAttributesAreResolved) {
  const Reading reading("<message to='a&#x40;b/it&apos;s' id='&lt;&#x41;&amp;\t' type='&#x63;hat'/>");
  EXPECT_EQ(reading.envelope().to(), "a@b/it's");
  EXPECT_EQ(reading.envelope().id(), "<A& ");
  EXPECT_EQ(reading.envelope().type(), link::v1::TYPE_CHAT);
  EXPECT_EQ(
      reading.stanza(),
      "<message from='romeo@example.net/orchard' to='a&#x40;b/it&apos;s' id='&lt;&#x41;&amp;\t' type='&#x63;hat'/>");
}

TEST(ParseStanzaTest, PrefixedAttributesAreNotOurs) {
  const Reading reading("<message x:to='no' x:from='no' x:id='no' x:type='chat' to='a@b'/>");
  EXPECT_EQ(reading.envelope().to(), "a@b");
  EXPECT_EQ(reading.envelope().id(), "");
  EXPECT_EQ(reading.envelope().type(), link::v1::TYPE_NORMAL);
  EXPECT_EQ(reading.client_from, "");
  EXPECT_EQ(reading.stanza(),
            "<message from='romeo@example.net/orchard' xmlns:x='urn:x' x:to='no' x:from='no' x:id='no' x:type='chat'"
            " to='a@b'/>");
}

TEST(ParseStanzaTest, PrefixesOfTheHeaderComeAlong) {
  EXPECT_EQ(
      Reading("<message><amp:a><x:b/></amp:a></message>").stanza(),
      "<message from='romeo@example.net/orchard' xmlns:x='urn:x' xmlns:amp='a&amp;b'><amp:a><x:b/></amp:a></message>");
  // One that the stanza declares itself is not declared twice.
  EXPECT_EQ(Reading("<message xmlns:x='urn:y'><x:b/><stream:c/></message>").stanza(),
            "<message from='romeo@example.net/orchard' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:y'>"
            "<x:b/><stream:c/></message>");
  EXPECT_EQ(Reading("<message><body>x: y</body></message>").stanza(),
            "<message from='romeo@example.net/orchard'><body>x: y</body></message>");
}

TEST(ParseStanzaTest, LanguageOfTheStreamIsTheDefault) {
  EXPECT_EQ(Reading("<presence/>", kHeader, "de'").stanza(),
            "<presence from='romeo@example.net/orchard' xml:lang='de&apos;'/>");
  EXPECT_EQ(Reading("<presence xml:lang='en'/>", kHeader, "de").stanza(),
            "<presence from='romeo@example.net/orchard' xml:lang='en'/>");
  EXPECT_EQ(Reading("<presence xml:lang=''/>", kHeader, "de").stanza(),
            "<presence from='romeo@example.net/orchard' xml:lang=''/>");
}

// A stream whose default namespace is another (RFC 6120 4.8.3 allows it): its stanzas have a prefix.
TEST(ParseStanzaTest, PrefixedRootsAreRewritten) {
  const std::string_view header =
      "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:x='urn:x'>";
  const Reading reading("<c:message to='a@b' from='me@here' type='chat'><c:body x:y='1'>hi</c:body><odd/></c:message>",
                        header, "en");
  EXPECT_EQ(reading.envelope().to(), "a@b");
  EXPECT_EQ(reading.client_from, "me@here");
  EXPECT_TRUE(reading.stanza().starts_with("<message from='romeo@example.net/orchard' xml:lang='en'"));
  const auto element = xml::Element::Parse(reading.stanza());
  ASSERT_TRUE(element);
  EXPECT_TRUE(element->Is("message", "jabber:client"));
  ASSERT_NE(element->Find("body", "jabber:client"), nullptr);
  EXPECT_EQ(element->Find("body", "jabber:client")->attrs().at(0).ns, "urn:x");
  EXPECT_EQ(element->Find("body", "jabber:client")->text(), "hi");
  EXPECT_NE(element->Find("odd", "http://etherx.jabber.org/streams"), nullptr);
}

TEST(ParseStanzaTest, PrefixOfARootMayBeItsOwn) {
  const Reading reading("<c:iq xmlns:c='jabber:client' type='get' id='1'><q xmlns='urn:q'/></c:iq>");
  EXPECT_EQ(reading.condition(), "");
  EXPECT_EQ(reading.stanza(), "<iq from='romeo@example.net/orchard' type='get' id='1'><q xmlns='urn:q'/></iq>");
  const Reading bare("<c:message xmlns:c='jabber:client' xmlns=''><a/></c:message>");
  EXPECT_EQ(bare.stanza(), "<message from='romeo@example.net/orchard'><a xmlns=''/></message>");
}

TEST(ParseStanzaTest, ForeignDefaultNamespaceWithAStanzasOwn) {
  const Reading reading("<message xmlns='jabber:client' to='a@b'><body>hi</body></message>",
                        "<s:stream xmlns='urn:other' xmlns:s='http://etherx.jabber.org/streams'>");
  EXPECT_EQ(reading.stanza(), "<message from='romeo@example.net/orchard' to='a@b'><body>hi</body></message>");
}

TEST(ParseStanzaTest, OnlyStanzasOfClients) {
  EXPECT_FALSE(Reading("<foo/>").parsed);
  EXPECT_FALSE(Reading("<Message/>").parsed);
  EXPECT_FALSE(Reading("<message xmlns='jabber:server'/>").parsed);
  EXPECT_FALSE(Reading("<x:iq type='get' id='1'><a/></x:iq>").parsed);
}

TEST(ParseStanzaTest, Types) {
  const std::vector<std::tuple<std::string, std::string, Type>> rows = {
      {"message", "", link::v1::TYPE_NORMAL},
      {"message", "normal", link::v1::TYPE_NORMAL},
      {"message", "chat", link::v1::TYPE_CHAT},
      {"message", "groupchat", link::v1::TYPE_GROUPCHAT},
      {"message", "headline", link::v1::TYPE_HEADLINE},
      {"message", "error", link::v1::TYPE_ERROR},
      {"message", "subscribe", link::v1::TYPE_NORMAL},
      {"message", "Chat", link::v1::TYPE_NORMAL},
      {"presence", "", link::v1::TYPE_AVAILABLE},
      {"presence", "unavailable", link::v1::TYPE_UNAVAILABLE},
      {"presence", "subscribe", link::v1::TYPE_SUBSCRIBE},
      {"presence", "subscribed", link::v1::TYPE_SUBSCRIBED},
      {"presence", "unsubscribe", link::v1::TYPE_UNSUBSCRIBE},
      {"presence", "unsubscribed", link::v1::TYPE_UNSUBSCRIBED},
      {"presence", "probe", link::v1::TYPE_PROBE},
      {"presence", "error", link::v1::TYPE_ERROR},
      {"iq", "get", link::v1::TYPE_GET},
      {"iq", "set", link::v1::TYPE_SET},
      {"iq", "result", link::v1::TYPE_RESULT},
      {"iq", "error", link::v1::TYPE_ERROR},
  };
  for (const auto& [kind, type, expected] : rows) {
    const std::string attribute = type.empty() ? "" : " type='" + type + "'";
    const Reading reading("<" + kind + " id='1'" + attribute + "><a xmlns='urn:a'/></" + kind + ">");
    EXPECT_EQ(reading.envelope().type(), expected) << kind << " " << type;
    EXPECT_EQ(reading.condition(), "") << kind << " " << type;
  }
  for (const std::string stanza : {"<presence type='available'/>", "<presence type='chat'/>", "<iq id='1'><a/></iq>",
                                   "<iq id='1' type='chat'><a/></iq>"}) {
    const Reading reading(stanza);
    EXPECT_EQ(reading.condition(), "bad-request") << stanza;
    EXPECT_TRUE(MakeError(reading.envelope(), *reading.parsed->error));
  }
}

// RFC 6120 8.2.3.
TEST(ParseStanzaTest, RulesOfIq) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"<iq type='get' id='1'><q xmlns='urn:q'/></iq>", ""},
      {"<iq type='set' id='1'> <q a='>'><b/><![CDATA[<c/></q>]]></q>\n</iq>", ""},
      {"<iq type='get' id='1'/>", "bad-request"},
      {"<iq type='get' id='1'></iq>", "bad-request"},
      {"<iq type='get' id='1'>text</iq>", "bad-request"},
      {"<iq type='get' id='1'><![CDATA[<a/>]]></iq>", "bad-request"},
      {"<iq type='set' id='1'><a/><b/></iq>", "bad-request"},
      {"<iq type='set' id='1'><a>x</a><b>y</b></iq>", "bad-request"},
      {"<iq type='get'><a/></iq>", "bad-request"},
      {"<iq type='get' id=''><a/></iq>", "bad-request"},
      {"<iq type='result' id='1'/>", ""},
      {"<iq type='result' id='1'><a/></iq>", ""},
      {"<iq type='result'/>", "bad-request"},
      {"<iq type='error' id='1'><a/><error/></iq>", ""},
  };
  for (const auto& [stanza, condition] : rows) EXPECT_EQ(Reading(stanza).condition(), condition) << stanza;
}

TEST(ParseStanzaTest, PayloadOfAnIq) {
  const Reading reading("<iq type='get' id='1'><p:ping xmlns:p='urn:xmpp:ping'/></iq>");
  EXPECT_EQ(reading.envelope().payload_ns(), "urn:xmpp:ping");
  EXPECT_EQ(reading.envelope().payload_name(), "ping");
}

TEST(ParseStanzaTest, MalformedToIsAnsweredFromThere) {
  for (const std::string to : {"", "@", "a b@c", "a@b/", "a@b..c"}) {
    const Reading reading("<message to='" + to + "' id='1'/>");
    EXPECT_EQ(reading.condition(), "jid-malformed") << to;
    EXPECT_EQ(MakeError(reading.envelope(), *reading.parsed->error)->from(), to);
  }
  EXPECT_EQ(Reading("<iq type='get' to='@'/>").condition(), "jid-malformed");
}

}  // namespace
}  // namespace parley::xmpp

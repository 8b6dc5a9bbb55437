// Every stream error that a client can provoke (RFC 6120 4.9.3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

EdgeHarness& Shared() {
  static EdgeHarness edge([](config::Config& config) {
    config.c2s.max_stanza_bytes = 20000;
    config.c2s.max_unauthenticated_bytes = 16384;
    config.c2s.max_depth = 16;
    config.c2s.max_attributes = 16;
  });
  return edge;
}

enum class Point { kConnected, kOpened, kSecured, kAuthenticating, kAuthenticated, kBound };

struct Case {
  std::string name;
  Point point;
  std::string sent;
  std::string condition;
};
void PrintTo(const Case& tried, std::ostream* out) { *out << tried.name; }

constexpr char kXmlns[] = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";

std::string Header(const std::string& attributes) {
  return std::string("<stream:stream ") + kXmlns + " " + attributes + ">";
}

std::string Deep(int levels) {
  std::string xml = "<message>";
  for (int i = 0; i < levels; ++i) xml += "<x>";
  return xml;
}

std::string ManyAttributes(int count) {
  std::string xml = "<message";
  for (int i = 0; i < count; ++i) xml += " a" + std::to_string(i) + "='1'";
  return xml + "/>";
}

const Case kCases[] = {
    // Before our header is sent, it is sent with the error (4.9.1.2).
    {"NotXml", Point::kConnected, "GET / HTTP/1.1\r\n\r\n", "not-well-formed"},
    {"Latin1", Point::kConnected, "<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"},
    {"Utf16", Point::kConnected, std::string("\xff\xfe<\0?\0", 6), "unsupported-encoding"},
    {"Doctype", Point::kConnected, "<!DOCTYPE foo [<!ENTITY a 'b'>]>", "restricted-xml"},
    {"OtherStreamNamespace", Point::kConnected,
     "<stream:stream xmlns='jabber:client' xmlns:stream='http://wrong.example/' to='example.org' version='1.0'>",
     "invalid-namespace"},
    {"ServerNamespace", Point::kConnected,
     "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' "
     "version='1.0'>",
     "invalid-namespace"},
    {"NoContentNamespace", Point::kConnected,
     "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>",
     "invalid-namespace"},
    {"OtherPrefix", Point::kConnected,
     "<foobar:stream xmlns='jabber:client' xmlns:foobar='http://etherx.jabber.org/streams' to='example.org' "
     "version='1.0'>",
     "bad-namespace-prefix"},
    {"UndeclaredPrefix", Point::kConnected, "<stream:stream xmlns='jabber:client' to='example.org' version='1.0'>",
     "bad-namespace-prefix"},
    {"NotAStream", Point::kConnected, std::string("<stream:features ") + kXmlns + " to='example.org' version='1.0'>",
     "bad-format"},
    {"UnknownHost", Point::kConnected, Header("to='elsewhere.example' version='1.0'"), "host-unknown"},
    {"NoTo", Point::kConnected, Header("version='1.0'"), "improper-addressing"},
    {"EmptyTo", Point::kConnected, Header("to='' version='1.0'"), "improper-addressing"},
    {"ToAnAccount", Point::kConnected, Header("to='romeo@example.org' version='1.0'"), "improper-addressing"},
    {"ImpossibleFrom", Point::kConnected, Header("to='example.org' from='@' version='1.0'"), "improper-addressing"},
    {"NoVersion", Point::kConnected, Header("to='example.org'"), "unsupported-version"},
    {"OldVersion", Point::kConnected, Header("to='example.org' version='0.9'"), "unsupported-version"},
    {"NoNumber", Point::kConnected, Header("to='example.org' version='one'"), "unsupported-version"},
    {"HugeHeader", Point::kConnected, Header("to='example.org' version='1.0' a='" + std::string(8192, 'x') + "'"),
     "policy-violation"},
    // In the clear.
    {"StanzaInTheClear", Point::kOpened, "<message to='juliet@example.org'><body/></message>", "not-authorized"},
    {"BindInTheClear", Point::kOpened, "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
     "not-authorized"},
    {"UnknownInTheClear", Point::kOpened, "<a xmlns='urn:b'/>", "not-authorized"},
    {"Comment", Point::kOpened, "<!-- hello -->", "restricted-xml"},
    {"ProcessingInstruction", Point::kOpened, "<?php ?>", "restricted-xml"},
    {"LateDoctype", Point::kOpened, "<!DOCTYPE foo>", "restricted-xml"},
    {"Entity", Point::kOpened, "<message><body>&foo;</body></message>", "restricted-xml"},
    {"Mismatch", Point::kOpened, "<message></body>", "not-well-formed"},
    {"Text", Point::kOpened, "hello", "bad-format"},
    {"TextBeforeTheStream", Point::kConnected, "hello", "not-well-formed"},
    {"Unbound", Point::kOpened, "<a:b/>", "bad-namespace-prefix"},
    {"BadUtf8", Point::kOpened, "<message><body>\xc3\x28</body></message>", "unsupported-encoding"},
    {"ControlCharacter", Point::kOpened, "<message><body>\x01</body></message>", "not-well-formed"},
    {"TooMuchBeforeLogin", Point::kOpened, std::string(20000, ' '), "policy-violation"},
    {"SecondHeaderBeforeLogin", Point::kOpened, Header("to='example.org' version='1.0'"), "unsupported-stanza-type"},
    // Under TLS, not logged in.
    {"StanzaBeforeLogin", Point::kSecured, "<presence/>", "not-authorized"},
    {"StanzaWhileLoggingIn", Point::kAuthenticating, "<presence/>", "not-authorized"},
    // Logged in, nothing bound (7.1).
    {"StanzaBeforeBinding", Point::kAuthenticated, "<message to='juliet@example.org'><body/></message>",
     "not-authorized"},
    {"UnknownBeforeBinding", Point::kAuthenticated, "<a xmlns='urn:b'/>", "unsupported-stanza-type"},
    {"HugeElementBeforeBinding", Point::kAuthenticated, "<iq><a>" + std::string(17000, 'x'), "policy-violation"},
    // Bound.
    {"UnknownElement", Point::kBound, "<a xmlns='urn:b'/>", "unsupported-stanza-type"},
    {"UnknownStanza", Point::kBound, "<pubsub/>", "unsupported-stanza-type"},
    {"OtherNamespace", Point::kBound, "<message xmlns='jabber:server'/>", "unsupported-stanza-type"},
    {"FromAnother", Point::kBound, "<message from='juliet@example.org/balcony' to='romeo@example.org'/>",
     "invalid-from"},
    {"FromOtherResource", Point::kBound, "<message from='romeo@example.org/elsewhere'/>", "invalid-from"},
    {"FromNoAddress", Point::kBound, "<message from='@@'/>", "invalid-from"},
    {"HugeStanza", Point::kBound, "<message><body>" + std::string(30000, 'x'), "policy-violation"},
    {"DeepStanza", Point::kBound, Deep(20), "policy-violation"},
    {"WideStanza", Point::kBound, ManyAttributes(20), "policy-violation"},
    {"SecondHeader", Point::kBound, Header("to='example.org' version='1.0'") + "<presence/>",
     "unsupported-stanza-type"},
    {"SecondHeaderWithDeclaration", Point::kBound, HeaderFor(kHost), "restricted-xml"},
    {"DuplicateAttribute", Point::kBound, "<message id='1' id='2'/>", "not-well-formed"},
};

void Reach(Client& client, Point point) {
  if (point == Point::kConnected) return;
  if (point == Point::kOpened) {
    client.Open();
  } else if (point == Point::kSecured) {
    client.OpenSecured();
  } else if (point == Point::kAuthenticating) {
    client.OpenSecured();
    client.Auth("SCRAM-SHA-1", "n,,n=romeo,r=abcdefgh");
    client.Until("</challenge>");
  } else if (point == Point::kAuthenticated) {
    client.LogIn();
  } else {
    client.Start();
  }
}

class StreamErrorTest : public ::testing::TestWithParam<Case> {};

TEST_P(StreamErrorTest, EndsTheStreamWith) {
  const Case& tried = GetParam();
  Client client(Shared().port());
  Reach(client, tried.point);
  client.Send(tried.sent);
  const std::string rest = client.Rest();
  EXPECT_EQ(StreamErrorIn(rest), tried.condition);
  EXPECT_THAT(rest, EndsWith("</stream:error></stream:stream>"));
  EXPECT_THAT(rest, HasSubstr("xmlns='urn:ietf:params:xml:ns:xmpp-streams'"));
  if (tried.point == Point::kConnected) {
    EXPECT_THAT(rest, StartsWith("<?xml version='1.0'?><stream:stream "));
    EXPECT_THAT(rest, HasSubstr(" version='1.0'"));
  } else {
    EXPECT_THAT(rest, ::testing::Not(HasSubstr("<stream:stream")));
  }
  EXPECT_TRUE(client.connection().ended_cleanly());
}

INSTANTIATE_TEST_SUITE_P(Rfc6120, StreamErrorTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(StreamErrorTest, OneByteAtATimeMakesNoDifference) {
  Client client(Shared().port());
  for (const char c : HeaderFor(kHost) + "<message><!-- -->") client.Send(std::string(1, c));
  const std::string rest = client.Rest();
  EXPECT_THAT(rest, HasSubstr("</stream:features>"));
  EXPECT_EQ(StreamErrorIn(rest), "restricted-xml");
}

TEST(StreamErrorTest, LoginTakesTooLong) {
  EdgeHarness edge([](config::Config& config) { config.c2s.unauthenticated_timeout = std::chrono::milliseconds(200); });
  Client silent(edge.port());
  Client started(edge.port());
  started.Open();
  Client handshake(edge.tls_port());
  EXPECT_EQ(StreamErrorIn(silent.Rest()), "connection-timeout");
  EXPECT_EQ(StreamErrorIn(started.Rest()), "connection-timeout");
  EXPECT_EQ(handshake.Rest(), "");
}

TEST(StreamErrorTest, AfterLoginTheStreamIsForTheAccount) {
  Client client(Shared().port());
  client.OpenSecured();
  client.AuthPlain();
  client.Until("</success>");
  client.Send(HeaderFor(kOtherHost));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "host-unknown");
}

TEST(StreamErrorTest, AfterLoginTheHeaderMayNotNameAnother) {
  Client client(Shared().port());
  client.OpenSecured();
  client.AuthPlain();
  client.Until("</success>");
  client.Send(HeaderFor(kHost, "from='juliet@example.org' version='1.0'"));
  const std::string rest = client.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "invalid-from");
  EXPECT_THAT(rest, HasSubstr("the stream is from juliet@example.org, the login was by "));
}

}  // namespace
}  // namespace parley::c2s::testing

// Headers, closing, TLS: RFC 6120 sections 4 and 5.
#include "services/c2s/stream/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kStartTls[] = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

std::string HeaderAttribute(const std::string& text, const std::string& name) {
  std::smatch found;
  const std::regex wanted("<stream:stream[^>]* " + name + "='([^']*)'");
  return std::regex_search(text, found, wanted) ? found[1].str() : "(none)";
}

class StreamTest : public ::testing::Test {
 protected:
  EdgeHarness edge_;
};

TEST_F(StreamTest, AnswersTheHeader) {
  Client client(edge_.port());
  client.Send(HeaderFor(kHost, "from='Romeo@Example.org/x' xml:lang='en-GB' version='1.0' id='mine'"));
  const std::string got = client.Until("</stream:features>");
  EXPECT_EQ(HeaderAttribute(got, "from"), kHost);
  EXPECT_EQ(HeaderAttribute(got, "to"), "romeo@example.org");
  EXPECT_EQ(HeaderAttribute(got, "version"), "1.0");
  EXPECT_EQ(HeaderAttribute(got, "xml:lang"), "en-GB");
  EXPECT_EQ(HeaderAttribute(got, "id").size(), 15u);
}

TEST_F(StreamTest, SaysInWhichLanguageItSpeaks) {
  Client client(edge_.port());
  client.Send(HeaderFor(kHost, "xml:lang='de' version='1.0'"));
  EXPECT_EQ(HeaderAttribute(client.Until("</stream:features>"), "xml:lang"), "en");
}

TEST_F(StreamTest, SpeaksItsOwnVersionToALaterOne) {
  Client client(edge_.port());
  client.Send(HeaderFor(kHost, "version='1.7'"));
  EXPECT_EQ(HeaderAttribute(client.Until("</stream:features>"), "version"), "1.0");
}

TEST_F(StreamTest, EachStreamHasItsOwnId) {
  std::set<std::string> ids;
  Client client(edge_.port());
  ids.insert(HeaderAttribute(client.Open(), "id"));
  ASSERT_TRUE(client.Secure());
  ids.insert(HeaderAttribute(client.Open(), "id"));
  client.AuthPlain();
  client.Until("</success>");
  ids.insert(HeaderAttribute(client.Open(), "id"));
  EXPECT_EQ(ids.size(), 3u);
}

TEST_F(StreamTest, ClosesWhenTheClientDoes) {
  Client client(edge_.port());
  client.Open();
  client.Send("</stream:stream>");
  EXPECT_EQ(client.Rest(), "</stream:stream>");
  EXPECT_TRUE(client.connection().ended_cleanly());
}

// RFC 6120 4.9.1.1: it closes the stream; an error is not answered with another.
TEST_F(StreamTest, AStreamErrorOfTheClientEndsItsStream) {
  const std::string error = "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
  Client opened(edge_.port());
  opened.Open();
  opened.Send(error + "</stream:stream>");
  EXPECT_EQ(opened.Rest(), "</stream:stream>");
  Client bound(edge_.port());
  bound.Start();
  bound.Send(error);
  EXPECT_EQ(bound.Rest(), "</stream:stream>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().got.empty(); }));
  const auto end = edge_.OnLoop([this] { return edge_.router().got.back().envelope; });
  EXPECT_EQ(end.session_ended().reason(), "closed");
}

TEST_F(StreamTest, GivesUpOnAClientThatDoesNotClose) {
  EdgeHarness edge([](config::Config& config) { config.c2s.close_timeout = std::chrono::milliseconds(100); });
  Client client(edge.port());
  client.Open();
  client.Send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  EXPECT_EQ(client.Rest(), "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>");
}

TEST_F(StreamTest, TakesWhitespaceForALifeSign) {
  Client client(edge_.port());
  client.Open();
  client.Send(" \n ");
  ASSERT_TRUE(client.Secure());
  EXPECT_THAT(client.Open(), HasSubstr("<mechanisms"));
}

TEST_F(StreamTest, OffersOnlyTlsInTheClear) {
  Client client(edge_.port());
  const std::string features = client.Open();
  EXPECT_THAT(features, HasSubstr("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>"
                                  "</starttls></stream:features>"));
}

TEST_F(StreamTest, OffersNoTlsUnderTls) {
  Client client(edge_.port());
  EXPECT_THAT(client.OpenSecured(), Not(HasSubstr("starttls")));
  client.Send(kStartTls);
  EXPECT_THAT(client.Until("</stream:stream>"), HasSubstr("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
}

TEST_F(StreamTest, RefusesWhatFollowsStartTlsInTheClear) {
  for (const std::string injected : {"<presence/>", " <presence/>", "<", "</stream:stream>"}) {
    Client client(edge_.port());
    client.Open();
    client.Send(kStartTls + injected);
    const std::string rest = client.Rest();
    EXPECT_THAT(rest, Not(HasSubstr("<proceed"))) << injected;
    EXPECT_THAT(rest, HasSubstr("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")) << injected;
  }
}

TEST_F(StreamTest, ForgetsWhatWasSaidInTheClear) {
  Client client(edge_.port());
  client.Send(HeaderFor(kHost, "from='juliet@example.org' version='1.0'"));
  client.Until("</stream:features>");
  ASSERT_TRUE(client.Secure());
  EXPECT_EQ(HeaderAttribute(client.Open(), "to"), "(none)");
}

TEST_F(StreamTest, SpeaksTlsAtOnceOnTheOtherPort) {
  Client client(edge_.tls_port());
  ASSERT_TRUE(client.connection().StartTls({.sni = kOtherHost, .alpn = {"xmpp-client"}, .ca_pem = edge_.ca().pem()}));
  EXPECT_EQ(client.connection().alpn(), "xmpp-client");
  EXPECT_EQ(client.connection().common_name(), kOtherHost);
  EXPECT_THAT(client.Open(kOtherHost), HasSubstr("<mechanisms"));
}

TEST_F(StreamTest, ChoosesTheCertificateByTheHeader) {
  Client client(edge_.port());
  client.Open(kOtherHost);
  ASSERT_TRUE(client.Secure());
  EXPECT_EQ(client.connection().common_name(), kOtherHost);
}

TEST_F(StreamTest, ReadsAThousandStreamsWorthOfBytesInPieces) {
  Client client(edge_.port());
  for (const char c : HeaderFor(kHost)) client.Send(std::string(1, c));
  client.Until("</stream:features>");
  ASSERT_TRUE(client.Secure());
  for (const char c : HeaderFor(kHost)) client.Send(std::string(1, c));
  EXPECT_THAT(client.Until("</stream:features>"), HasSubstr("<mechanisms"));
}

TEST_F(StreamTest, TakesAPipelinedHeaderAfterLogin) {
  Client client(edge_.port());
  client.OpenSecured();
  client.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
              Base64(std::string("\0romeo\0wherefore", 16)) + "</auth>" + HeaderFor(kHost) +
              "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
  EXPECT_THAT(client.Until("</bind>"), HasSubstr("<jid>romeo@example.org/made-1</jid>"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().got.size() == 1; }));
}

TEST_F(StreamTest, WithoutATlsRequirementLoginInTheClearNeverShowsAPassword) {
  EdgeHarness edge([](config::Config& config) { config.c2s.starttls_required = false; });
  Client client(edge.port());
  const std::string features = client.Open();
  EXPECT_THAT(features, HasSubstr("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
  EXPECT_THAT(features, HasSubstr("<mechanism>SCRAM-SHA-256</mechanism>"));
  EXPECT_THAT(features, Not(HasSubstr("PLAIN")));
  EXPECT_THAT(features, Not(HasSubstr("-PLUS")));
}

}  // namespace
}  // namespace parley::c2s::testing

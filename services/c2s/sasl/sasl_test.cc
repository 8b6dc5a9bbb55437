// SASL by RFC 6120 section 6: each mechanism, each failure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/c2s/testing/client.h"
#include "services/c2s/testing/scram_client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FailureIn(const std::string& text) {
  constexpr std::string_view kStart = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><";
  const auto at = text.find(kStart);
  if (at == std::string::npos) return "no failure in: " + text;
  const auto from = at + kStart.size();
  return text.substr(from, text.find_first_of(" />", from) - from);
}

std::string Content(const std::string& element) {
  const auto start = element.rfind("'>") + 2;
  return *FromBase64(element.substr(start, element.rfind("</") - start));
}

class SaslTest : public ::testing::Test {
 protected:
  static EdgeHarness& Edge() {
    static EdgeHarness edge;
    return edge;
  }
  // The result: "success", a failure's condition, or what came instead.
  static std::string RunScram(Client& client, const std::string& mechanism, ScramClient scram) {
    client.Auth(mechanism, scram.First());
    const std::string first = client.Until(">");
    if (first.find("<challenge") == std::string::npos) return FailureIn(first + client.Until("</failure>"));
    const std::string final = scram.Final(Content(first + client.Until("</challenge>")));
    client.Send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + Base64(final) + "</response>");
    const std::string last = client.Until(">");
    if (last.find("<success") == std::string::npos) return FailureIn(last + client.Until("</failure>"));
    EXPECT_EQ(Content(last + client.Until("</success>")), scram.ServerFinal());
    return "success";
  }
};

TEST_F(SaslTest, OffersWhatTheHostAllows) {
  Client client(Edge().port());
  const std::string features = client.OpenSecured();
  EXPECT_THAT(features, HasSubstr("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                                  "<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>"
                                  "<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>"
                                  "<mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms>"));
  EXPECT_THAT(features, HasSubstr("<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                                  "<channel-binding type='tls-exporter'/>"
                                  "<channel-binding type='tls-server-end-point'/></sasl-channel-binding>"));
  Client other(Edge().port());
  const std::string strict = other.OpenSecured(kOtherHost);
  EXPECT_THAT(strict, Not(AnyOf(HasSubstr("PLAIN"), HasSubstr("ANONYMOUS"))));
}

TEST_F(SaslTest, Scram) {
  for (const bool sha256 : {false, true}) {
    Client client(Edge().port());
    client.OpenSecured();
    const std::string name = sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-1";
    EXPECT_EQ(RunScram(client, name, ScramClient(sha256, "romeo", "wherefore")), "success");
    EXPECT_THAT(client.Open(), HasSubstr("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"));
    EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
  }
}

// For accounts of another server that have keys for SHA-1 only: clients choose the strongest that is offered.
TEST_F(SaslTest, AHostMayLeaveOutSha256) {
  EdgeHarness edge([](config::Config& config) { config.hosts.front().scram_sha256 = false; });
  Client client(edge.port());
  const std::string features = client.OpenSecured();
  EXPECT_THAT(features, Not(HasSubstr("SHA-256")));
  EXPECT_THAT(features, AllOf(HasSubstr("SCRAM-SHA-1-PLUS"), HasSubstr("<mechanism>SCRAM-SHA-1</mechanism>")));
  for (const char* name : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    EXPECT_EQ(RunScram(client, name, ScramClient(true, "romeo", "wherefore")), "mechanism-too-weak") << name;
  }
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-1", ScramClient(false, "romeo", "wherefore")), "success");
  Client other(edge.port());
  EXPECT_THAT(other.OpenSecured(kOtherHost), HasSubstr("SCRAM-SHA-256"));
}

TEST_F(SaslTest, LoginsAreTimed) {
  EdgeHarness edge;
  Client right(edge.port());
  right.OpenSecured();
  right.AuthPlain();
  right.Until("<success");
  Client wrong(edge.port());
  wrong.OpenSecured();
  wrong.AuthPlain("romeo", "wrong");
  wrong.Until("</failure>");
  EXPECT_EQ(edge.Metric("parley_c2s_login_seconds_count{mechanism=\"PLAIN\"}"), 1);
  EXPECT_EQ(edge.Metric("parley_c2s_logins_total{mechanism=\"PLAIN\",outcome=\"success\"}"), 1);
}

TEST_F(SaslTest, ScramWithChannelBinding) {
  for (const bool sha256 : {false, true}) {
    for (const std::string type : {"tls-exporter", "tls-server-end-point"}) {
      Client client(Edge().port());
      client.OpenSecured();
      const std::string data =
          type == "tls-exporter" ? client.connection().exporter() : client.connection().end_point();
      const std::string name = sha256 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-1-PLUS";
      EXPECT_EQ(RunScram(client, name, ScramClient(sha256, "romeo", "wherefore", "p=" + type + ",,", data)), "success")
          << name << type;
    }
  }
}

TEST_F(SaslTest, ScramSeesSomebodyInBetween) {
  Client client(Edge().port());
  client.OpenSecured();
  ScramClient scram(true, "romeo", "wherefore", "p=tls-exporter,,", std::string(32, 'x'));
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256-PLUS", scram), "not-authorized");
}

TEST_F(SaslTest, ScramSeesADowngrade) {
  Client client(Edge().port());
  client.OpenSecured();
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256", ScramClient(true, "romeo", "wherefore", "y,,")), "not-authorized");
}

TEST_F(SaslTest, ScramWithABindingThatIsNotAvailableLeavesOthers) {
  Client client(Edge().port());
  client.OpenSecured();
  ScramClient scram(true, "romeo", "wherefore", "p=tls-unique,,", "x");
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256-PLUS", scram), "not-authorized");
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256", ScramClient(true, "romeo", "wherefore")), "success");
}

TEST_F(SaslTest, ScramWithOwnAuthzid) {
  Client client(Edge().port());
  client.OpenSecured();
  ScramClient own(true, "romeo", "wherefore", "n,a=romeo@example.org,");
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256", own), "success");
}

TEST_F(SaslTest, DoesNotTellWhoHasAnAccount) {
  for (const std::string user : {"romeo", "nobody"}) {
    Client client(Edge().port());
    client.OpenSecured();
    EXPECT_EQ(RunScram(client, "SCRAM-SHA-256", ScramClient(true, user, "wrong")), "not-authorized");
    client.AuthPlain(user, "wrong");
    EXPECT_EQ(FailureIn(client.Until("</failure>")), "not-authorized");
  }
}

TEST_F(SaslTest, PlainWithOwnAuthzid) {
  Client client(Edge().port());
  client.OpenSecured();
  client.Auth("PLAIN", std::string("romeo@example.org\0romeo\0wherefore", 33));
  EXPECT_THAT(client.Until("</success>"), HasSubstr("<success"));
}

TEST_F(SaslTest, WithoutInitialResponseAnEmptyChallengeComesFirst) {
  Client client(Edge().port());
  client.OpenSecured();
  client.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>");
  EXPECT_EQ(Content(client.Until("</challenge>")), "");
  client.Send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + Base64(std::string("\0romeo\0wherefore", 16)) +
              "</response>");
  client.Until("</success>");
}

TEST_F(SaslTest, Anonymous) {
  Client client(Edge().port());
  client.OpenSecured();
  // "=" is an initial response of no bytes.
  client.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'>=</auth>");
  client.Until("</success>");
  client.Open();
  EXPECT_THAT(client.Bind(), ::testing::MatchesRegex("anon-[^@]+@example.org/orchard"));
  EXPECT_TRUE(Edge().OnLoop([] { return Edge().router().asks.back().bind().anonymous(); }));
}

class ExternalTest : public SaslTest {
 protected:
  static test::TlsClientOptions With(const std::vector<std::string>& addresses) {
    test::CertificateRequest request;
    request.common_name = "a client";
    request.xmpp_addresses = addresses;
    return {.sni = kHost, .certificate = Edge().ca().Issue(request)};
  }
  static std::string Try(const std::vector<std::string>& addresses, const std::string& message) {
    Client client(Edge().port());
    EXPECT_THAT(client.OpenSecured(kHost, With(addresses)), HasSubstr("<mechanism>EXTERNAL</mechanism>"));
    client.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>" + message + "</auth>");
    const std::string got = client.Until(">");
    if (got.find("<success") != std::string::npos) return "success";
    return FailureIn(got + client.Until("</failure>"));
  }
};

TEST_F(ExternalTest, TakesTheCertificatesAddress) {
  EXPECT_EQ(Try({"romeo@example.org"}, "="), "success");
  EXPECT_EQ(Try({"romeo@example.org"}, Base64("romeo@example.org")), "success");
  EXPECT_EQ(Try({"juliet@example.org", "romeo@example.org"}, Base64("romeo@example.org")), "success");
}

TEST_F(ExternalTest, RefusesOthers) {
  EXPECT_EQ(Try({"romeo@example.org"}, Base64("juliet@example.org")), "invalid-authzid");
  EXPECT_EQ(Try({"romeo@elsewhere.example"}, "="), "not-authorized");
  EXPECT_EQ(Try({"nobody@example.org"}, "="), "not-authorized");
  EXPECT_EQ(Try({}, "="), "not-authorized");
  EXPECT_EQ(Try({"juliet@example.org", "romeo@example.org"}, "="), "invalid-authzid");
  EXPECT_EQ(Try({"romeo@example.org"}, Base64("@@")), "invalid-authzid");
}

TEST_F(ExternalTest, NeedsTheHostsOwnTrust) {
  Client client(Edge().port());
  client.Open(kOtherHost);
  test::TlsClientOptions options = With({"romeo@example.org"});
  options.sni = kOtherHost;
  ASSERT_TRUE(client.Secure(options));
  EXPECT_THAT(client.Open(kHost), Not(HasSubstr("EXTERNAL")));
}

struct Failure {
  std::string name;
  std::string sent;
  std::string condition;
};
void PrintTo(const Failure& failure, std::ostream* out) { *out << failure.name; }

std::string AuthXml(const std::string& mechanism, const std::string& content) {
  return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + mechanism + "'>" + content + "</auth>";
}

const Failure kFailures[] = {
    {"Aborted", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "aborted"},
    {"UnknownMechanism", AuthXml("DIGEST-MD5", ""), "invalid-mechanism"},
    {"NoMechanism", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "invalid-mechanism"},
    {"ExternalWithoutCertificate", AuthXml("EXTERNAL", "="), "invalid-mechanism"},
    {"NotBase64", AuthXml("PLAIN", "!!!!"), "incorrect-encoding"},
    {"UnpaddedBase64", AuthXml("PLAIN", "AHIAdw"), "incorrect-encoding"},
    {"Base64WithBlanks", AuthXml("PLAIN", "AHJv bWVvAHg="), "incorrect-encoding"},
    {"EqualsInside", AuthXml("PLAIN", "AA==AA=="), "incorrect-encoding"},
    {"PlainWithoutPassword", AuthXml("PLAIN", Base64(std::string("\0romeo", 6))), "malformed-request"},
    {"PlainWithEmptyPassword", AuthXml("PLAIN", Base64(std::string("\0romeo\0", 7))), "malformed-request"},
    {"PlainWithTooMuch", AuthXml("PLAIN", Base64(std::string("\0a\0b\0c", 6))), "malformed-request"},
    {"PlainAsAnother", AuthXml("PLAIN", Base64(std::string("juliet@example.org\0romeo\0wherefore", 34))),
     "invalid-authzid"},
    {"PlainWrongPassword", AuthXml("PLAIN", Base64(std::string("\0romeo\0wrong", 12))), "not-authorized"},
    {"PlainImpossibleUser", AuthXml("PLAIN", Base64(std::string("\0ro meo\0x", 9))), "not-authorized"},
    {"PlainOfAnotherHost", AuthXml("PLAIN", Base64(std::string("\0romeo@second.example\0x", 23))), "not-authorized"},
    {"ScramGarbage", AuthXml("SCRAM-SHA-1", Base64("garbage")), "malformed-request"},
    {"ScramEmpty", AuthXml("SCRAM-SHA-1", "="), "malformed-request"},
    {"ScramAsAnother", AuthXml("SCRAM-SHA-1", Base64("n,a=juliet@example.org,n=romeo,r=abc")), "invalid-authzid"},
    {"ResponseToNothing", "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "malformed-request"},
    {"UnknownElement", "<hello xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "malformed-request"},
    {"AbortedInBetween",
     AuthXml("SCRAM-SHA-1", Base64("n,,n=romeo,r=abcdef")) + "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
     "aborted"},
    {"AuthInBetween", AuthXml("SCRAM-SHA-1", Base64("n,,n=romeo,r=abcdef")) + AuthXml("PLAIN", "="),
     "malformed-request"},
};

class SaslFailureTest : public SaslTest, public ::testing::WithParamInterface<Failure> {};

TEST_P(SaslFailureTest, AnswersAndLetsTryAgain) {
  Client client(Edge().port());
  client.OpenSecured();
  client.Send(GetParam().sent);
  EXPECT_EQ(FailureIn(client.Until("</failure>")), GetParam().condition);
  client.AuthPlain();
  EXPECT_THAT(client.Until("</success>"), HasSubstr("<success"));
}

INSTANTIATE_TEST_SUITE_P(Rfc6120, SaslFailureTest, ::testing::ValuesIn(kFailures),
                         [](const auto& info) { return info.param.name; });

TEST_F(SaslTest, EncryptionRequired) {
  Client client(Edge().port());
  client.Open();
  client.AuthPlain();
  EXPECT_EQ(FailureIn(client.Until("</failure>")), "encryption-required");
}

TEST_F(SaslTest, MechanismTooWeak) {
  Client client(Edge().port());
  client.OpenSecured(kOtherHost);
  client.AuthPlain();
  EXPECT_EQ(FailureIn(client.Until("</failure>")), "mechanism-too-weak");
}

TEST_F(SaslTest, TemporaryFailure) {
  EdgeHarness edge;
  edge.OnLoop([&] { edge.accounts().SetBroken(true); });
  Client client(edge.port());
  client.OpenSecured();
  client.AuthPlain();
  EXPECT_EQ(FailureIn(client.Until("</failure>")), "temporary-auth-failure");
  EXPECT_EQ(RunScram(client, "SCRAM-SHA-256", ScramClient(true, "romeo", "wherefore")), "temporary-auth-failure");
  edge.OnLoop([&] { edge.accounts().SetBroken(false); });
  client.AuthPlain();
  client.Until("</success>");
}

TEST_F(SaslTest, LimitsAttemptsOfAConnection) {
  Client client(Edge().port());
  client.OpenSecured();
  for (int i = 0; i < 5; ++i) client.AuthPlain("romeo", "wrong");
  client.AuthPlain();
  const std::string rest = client.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "policy-violation");
  EXPECT_THAT(rest, Not(HasSubstr("<success")));
}

TEST_F(SaslTest, LimitsFailuresOfAnAddress) {
  EdgeHarness edge([](config::Config& config) { config.c2s.auth_failures_per_minute_per_address = 3; });
  for (int i = 0; i < 3; ++i) {
    Client client(edge.port());
    client.OpenSecured();
    client.AuthPlain("romeo", "wrong");
    EXPECT_EQ(FailureIn(client.Until("</failure>")), "not-authorized");
  }
  Client client(edge.port());
  client.OpenSecured();
  client.AuthPlain();
  EXPECT_EQ(FailureIn(client.Until("</failure>")), "temporary-auth-failure");
  EXPECT_EQ(edge.Metric("parley_c2s_limits_total{limit=\"auth_failures\"}"), 1);
}

TEST_F(SaslTest, HoldsFailuresBack) {
  EdgeHarness edge([](config::Config& config) { config.c2s.auth_failure_delay = std::chrono::milliseconds(300); });
  Client client(edge.port());
  client.OpenSecured();
  const auto start = std::chrono::steady_clock::now();
  client.AuthPlain("romeo", "wrong");
  client.Until("</failure>");
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
}

TEST_F(SaslTest, AClientThatLeavesInBetweenLeavesNothing) {
  EdgeHarness edge;
  edge.OnLoop([&] { edge.accounts().Hold(); });
  {
    Client client(edge.port());
    client.OpenSecured();
    client.AuthPlain();
    ASSERT_TRUE(edge.Eventually([&] { return edge.accounts().waiting() == 1; }));
    client.connection().Reset();
  }
  edge.OnLoop([&] { edge.accounts().Answer(); });
  Client next(edge.port());
  EXPECT_EQ(next.Start(), "romeo@example.org/orchard");
}

}  // namespace
}  // namespace parley::c2s::testing

// In-band registration before login (XEP-0077).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/c2s/testing/client.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Register(const std::string& fields, const std::string& type = "set") {
  return "<iq type='" + type + "' id='r'><query xmlns='jabber:iq:register'>" + fields + "</query></iq>";
}
std::string Fields(const std::string& username, const std::string& password) {
  return "<username>" + username + "</username><password>" + password + "</password>";
}

class RegistrationTest : public ::testing::Test {
 protected:
  EdgeHarness edge_;
};

TEST_F(RegistrationTest, IsOfferedUnderTlsWhereAllowed) {
  Client client(edge_.port());
  EXPECT_THAT(client.Open(), Not(HasSubstr("iq-register")));
  ASSERT_TRUE(client.Secure());
  EXPECT_THAT(client.Open(), HasSubstr("<register xmlns='http://jabber.org/features/iq-register'/>"));
  Client other(edge_.port());
  EXPECT_THAT(other.OpenSecured(kOtherHost), Not(HasSubstr("iq-register")));
}

TEST_F(RegistrationTest, MakesAnAccountThatCanLogIn) {
  Client client(edge_.port());
  client.OpenSecured();
  client.Send(Register("", "get"));
  const std::string form = client.Until("</iq>");
  EXPECT_THAT(form, HasSubstr("<username/><password/>"));
  client.Send(Register(Fields("Mercutio", "queen mab")));
  EXPECT_THAT(client.Until("/>"), HasSubstr("<iq type='result' id='r'/>"));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.accounts().Has("mercutio@example.org"); }));
  client.AuthPlain("mercutio", "queen mab");
  client.Until("</success>");
}

TEST_F(RegistrationTest, RefusesWhatCannotBe) {
  const std::pair<std::string, std::string> cases[] = {
      {Fields("romeo", "x"), "conflict"},         {Fields("", "x"), "not-acceptable"},
      {Fields("tybalt", ""), "not-acceptable"},   {"<username>tybalt</username>", "not-acceptable"},
      {Fields("ty balt", "x"), "not-acceptable"}, {"<remove/>", "registration-required"}};
  for (const auto& [fields, condition] : cases) {
    Client client(edge_.port());
    client.OpenSecured();
    client.Send(Register(fields));
    EXPECT_THAT(client.Until("</iq>"), HasSubstr("<" + condition + " ")) << fields;
  }
}

TEST_F(RegistrationTest, IsForTheHostOfTheStream) {
  const auto send = [](Client& client, const std::string& to) {
    std::string iq = Register(Fields("tybalt", "x"));
    client.Send(iq.insert(iq.find(" id="), " to='" + to + "'"));
  };
  Client client(edge_.port());
  client.OpenSecured();
  for (const std::string to : {"elsewhere.example", kOtherHost, "romeo@example.org", "@"}) {
    send(client, to);
    EXPECT_THAT(client.Until("</iq>"), HasSubstr("<not-allowed ")) << to;
    EXPECT_FALSE(edge_.OnLoop([this] { return edge_.accounts().Has("tybalt@example.org"); })) << to;
  }
  send(client, "Example.org");
  client.Until("<iq type='result' id='r'/>");
}

TEST_F(RegistrationTest, AnotherElementOfItsNamespaceIsNone) {
  Client client(edge_.port());
  client.OpenSecured();
  client.Send("<iq type='set' id='r'><other xmlns='jabber:iq:register'>" + Fields("tybalt", "x") + "</other></iq>");
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<bad-request "));
  EXPECT_FALSE(edge_.OnLoop([this] { return edge_.accounts().Has("tybalt@example.org"); }));
}

TEST_F(RegistrationTest, IsNotAllowedWhereItIsNotOffered) {
  Client client(edge_.port());
  client.OpenSecured(kOtherHost);
  client.Send(Register(Fields("a", "b")));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<not-allowed "));
  Client clear(edge_.port());
  clear.Open();
  clear.Send(Register("", "get"));
  EXPECT_THAT(clear.Until("</iq>"), HasSubstr("<not-allowed "));
}

TEST_F(RegistrationTest, IsLimited) {
  EdgeHarness edge([](config::Config& config) { config.c2s.registrations_per_minute_per_address = 2; });
  Client client(edge.port());
  client.OpenSecured();
  for (const std::string name : {"a", "b"}) {
    client.Send(Register(Fields(name, "x")));
    client.Until("<iq type='result' id='r'/>");
  }
  client.Send(Register(Fields("c", "x")));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("<resource-constraint "));
}

TEST_F(RegistrationTest, SurvivesAStoreThatIsGone) {
  edge_.OnLoop([this] { edge_.accounts().SetBroken(true); });
  Client client(edge_.port());
  client.OpenSecured();
  client.Send(Register(Fields("a", "b")));
  EXPECT_THAT(client.Until("</iq>"), HasSubstr("type='wait'"));
}

}  // namespace
}  // namespace parley::c2s::testing

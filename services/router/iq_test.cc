#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::XmlEq;

class IqTest : public testing::ClusterTest {
 protected:
  std::string Ask(Client& client, const std::string& stanza) {
    client.Take();
    client.Send(stanza);
    auto answers = Received(client);
    std::erase_if(answers, [](const std::string& s) { return s.starts_with("<presence"); });  // others come and go
    EXPECT_THAT(answers, SizeIs(1)) << stanza;
    return answers.empty() ? std::string() : answers[0];
  }
};

TEST_F(IqTest, PingTheServerAndTheOwnAccount) {
  Client& romeo = Login("romeo@home.example/orchard");
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='1' to='home.example'><ping xmlns='urn:xmpp:ping'/></iq>"),
              XmlEq("<iq type='result' id='1' from='home.example' to='romeo@home.example/orchard'/>"));
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>"),
              XmlEq("<iq type='result' id='2' to='romeo@home.example/orchard'/>"));
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='3' to='juliet@home.example'><ping xmlns='urn:xmpp:ping'/></iq>"),
              XmlEq("<iq type='result' id='3' from='juliet@home.example' to='romeo@home.example/orchard'/>"));
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='4' to='nobody@home.example'><ping xmlns='urn:xmpp:ping'/></iq>"),
              HasSubstr("service-unavailable"));
}

TEST_F(IqTest, WhatNobodyHandlesIsUnavailable) {
  Client& romeo = Login("romeo@home.example/orchard");
  for (const char* to : {"home.example", "home.example/x", "romeo@home.example", "juliet@home.example"}) {
    for (const char* type : {"get", "set"}) {
      const auto answer =
          Ask(romeo, std::string("<iq type='") + type + "' id='1' to='" + to + "'><x xmlns='urn:x'/></iq>");
      EXPECT_EQ(Attr(answer, "type"), "error");
      EXPECT_EQ(Attr(answer, "from"), to);
      EXPECT_THAT(answer, HasSubstr("service-unavailable"));
    }
  }
}

TEST_F(IqTest, DiscoOfTheServer) {
  Client& romeo = Login("romeo@home.example/orchard");
  const auto info =
      Ask(romeo, "<iq type='get' id='1' to='home.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
  EXPECT_THAT(info, AllOf(HasSubstr("category='server' type='im'"), HasSubstr("urn:xmpp:ping"), HasSubstr("msgoffline"),
                          HasSubstr("jabber:iq:register"), HasSubstr("mailto:a@home.example")));
  EXPECT_THAT(Ask(romeo,
                  "<iq type='get' id='1' to='other.example'>"
                  "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"),
              AllOf(Not(HasSubstr("jabber:iq:register")), Not(HasSubstr("mailto:"))));
  EXPECT_THAT(Ask(romeo,
                  "<iq type='get' id='1' to='home.example'>"
                  "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>"),
              HasSubstr("item-not-found"));
  EXPECT_THAT(
      Ask(romeo,
          "<iq type='get' id='1' to='home.example'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"),
      XmlEq("<iq type='result' id='1' from='home.example' to='romeo@home.example/orchard'>"
            "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>"));
}

TEST_F(IqTest, DiscoOfAnAccountIsForSubscribers) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kTo);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& benvolio = Online("benvolio@home.example/street");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Take();
  const std::string info =
      "<iq type='get' id='1' to='juliet@home.example'>"
      "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
  const std::string items =
      "<iq type='get' id='1' to='juliet@home.example'>"
      "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
  EXPECT_THAT(Ask(romeo, info), HasSubstr("category='account' type='registered'"));
  EXPECT_THAT(Ask(romeo, items), HasSubstr("juliet@home.example/balcony"));
  EXPECT_THAT(Ask(benvolio, info), HasSubstr("service-unavailable"));
  EXPECT_THAT(Ask(benvolio, items), HasSubstr("service-unavailable"));
  EXPECT_THAT(Ask(juliet, "<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"),
              HasSubstr("registered"));
}

TEST_F(IqTest, VersionAndTime) {
  Client& romeo = Login("romeo@home.example/orchard");
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='1' to='home.example'><query xmlns='jabber:iq:version'/></iq>"),
              HasSubstr("<name>Parley</name>"));
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='1' to='home.example'><time xmlns='urn:xmpp:time'/></iq>"),
              HasSubstr("<tzo>+00:00</tzo>"));
  EXPECT_THAT(Ask(romeo, "<iq type='set' id='1' to='home.example'><time xmlns='urn:xmpp:time'/></iq>"),
              HasSubstr("service-unavailable"));
}

TEST_F(IqTest, RegistrationOfOneThatIsLoggedIn) {
  Client& romeo = Login("romeo@home.example/orchard");
  EXPECT_THAT(Ask(romeo, "<iq type='get' id='1' to='home.example'><query xmlns='jabber:iq:register'/></iq>"),
              AllOf(HasSubstr("<registered/>"), HasSubstr("<username>romeo</username>")));
  EXPECT_THAT(Ask(romeo,
                  "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>romeo</username>"
                  "<password/></query></iq>"),
              HasSubstr("bad-request"));
  EXPECT_THAT(Ask(romeo,
                  "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>juliet</username>"
                  "<password>x</password></query></iq>"),
              HasSubstr("not-allowed"));
  EXPECT_THAT(Ask(romeo, "<iq type='set' id='1'><query xmlns='jabber:iq:register'><remove/><x/></query></iq>"),
              HasSubstr("bad-request"));
  Client& nurse = Login("nurse@other.example/hall");
  EXPECT_THAT(Ask(nurse, "<iq type='get' id='1' to='other.example'><query xmlns='jabber:iq:register'/></iq>"),
              HasSubstr("service-unavailable"));
}

TEST_F(IqTest, APasswordIsChanged) {  // XEP-0077 3.3
  Client& romeo = Login("romeo@home.example/orchard");
  EXPECT_THAT(Ask(romeo,
                  "<iq type='set' id='1' to='home.example'><query xmlns='jabber:iq:register'>"
                  "<username>Romeo</username><password>new</password></query></iq>"),
              XmlEq("<iq type='result' id='1' from='home.example' to='romeo@home.example/orchard'/>"));
  EXPECT_EQ(roster_->passwords().at("romeo@home.example"), "new");
}

TEST_F(IqTest, AnAccountIsRemovedWithAllThatItWas) {  // XEP-0077 3.2
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  Client& other = Online("romeo@home.example/street");
  juliet.Take();
  EXPECT_THAT(Ask(romeo, "<iq type='set' id='1'><query xmlns='jabber:iq:register'><remove/></query></iq>"),
              HasSubstr("type='result'"));
  RunUntil([&] { return romeo.disconnected() == "not-authorized" && other.disconnected() == "not-authorized"; });
  EXPECT_FALSE(roster_->HasAccount("romeo@home.example"));
  std::vector<std::string> gone;
  for (const auto& stanza : Received(juliet)) {
    if (stanza.starts_with("<presence")) gone.push_back(Attr(stanza, "type") + " " + Attr(stanza, "from"));
  }
  EXPECT_THAT(gone, ::testing::UnorderedElementsAre(
                        "unavailable romeo@home.example/orchard", "unavailable romeo@home.example/street",
                        "unsubscribed romeo@home.example", "unsubscribe romeo@home.example"));
  EXPECT_EQ(roster_->StateOf("juliet@home.example", "romeo@home.example"), xmpp::SubscriptionState());
  EXPECT_EQ(Redis({"EXISTS", "parley:s:{romeo@home.example}"}), "0");
}

TEST_F(IqTest, ARepeatOfARequestIsAnsweredAgainWithTheSameNumber) {
  Client& romeo = Login("romeo@home.example/orchard");
  Ask(romeo, "<iq type='get' id='1' to='home.example'><ping xmlns='urn:xmpp:ping'/></iq>");
  edge().SendAgain(std::make_unique<rpc::Envelope>(edge().last()));
  EXPECT_THAT(Received(romeo), SizeIs(1));  // c2s drops it by `answers`
}

}  // namespace
}  // namespace parley::router

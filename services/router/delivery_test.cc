#include <algorithm>
#include <map>

#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using testing::Attr;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::XmlEq;

class DeliveryTest : public testing::ClusterTest {
 protected:
  static std::string Message(const std::string& to, const std::string& type) {
    const std::string attribute = type == "normal" ? "" : " type='" + type + "'";
    return "<message to='" + to + "' id='m'" + attribute + "><body>hi</body></message>";
  }
};

// What comes of a message to juliet: "error" to its sender, "stored" for later, "" nothing, or the names of the
// resources that get it, a letter each.
constexpr const char* kError = "error";
constexpr const char* kStored = "stored";
constexpr const char* kNothing = "";

struct Case {
  const char* condition;
  std::vector<std::pair<const char*, int>> resources;  // name and priority
  const char* to;
  const char* normal;
  const char* chat;
  const char* groupchat;
  const char* headline;
  const char* error;
};

// RFC 6121 8.5.4, row by row and in its columns, and section 8.5 on errors; where it allows silence or an error, ours
// is the error.
const Case kCases[] = {
    {"no account", {}, "nobody@home.example", kError, kError, kError, kNothing, kNothing},
    {"no account", {}, "nobody@home.example/x", kError, kError, kError, kError, kNothing},
    {"no resource, bare", {}, "juliet@home.example", kStored, kStored, kError, kNothing, kNothing},
    {"no resource, full", {}, "juliet@home.example/x", kError, kStored, kError, kError, kNothing},
    {"negative, bare", {{"n", -1}}, "juliet@home.example", kStored, kStored, kError, kNothing, kNothing},
    {"negative, match", {{"n", -1}}, "juliet@home.example/n", "n", "n", "n", "n", "n"},
    {"negative, no match", {{"n", -1}}, "juliet@home.example/x", kError, kStored, kError, kError, kNothing},
    {"one, bare", {{"a", 0}}, "juliet@home.example", "a", "a", kError, "a", kNothing},
    {"one, match", {{"a", 0}}, "juliet@home.example/a", "a", "a", "a", "a", "a"},
    {"one, no match", {{"a", 0}}, "juliet@home.example/x", kError, "a", kError, kError, kNothing},
    {"many, bare",
     {{"a", 5}, {"b", 5}, {"c", 1}, {"n", -1}},
     "juliet@home.example",
     "ab",
     "ab",
     kError,
     "abc",
     kNothing},
    {"many, match", {{"a", 5}, {"b", 5}, {"c", 1}, {"n", -1}}, "juliet@home.example/c", "c", "c", "c", "c", "c"},
    {"many, match", {{"a", 5}, {"b", 5}, {"c", 1}, {"n", -1}}, "juliet@home.example/n", "n", "n", "n", "n", "n"},
    {"many, no match",
     {{"a", 5}, {"b", 5}, {"n", -1}},
     "juliet@home.example/x",
     kError,
     "ab",
     kError,
     kError,
     kNothing},
};

class DeliveryTableTest : public DeliveryTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    DeliveryTest::SetUp();
    romeo_ = &Online("romeo@home.example/orchard");
    for (const auto& [name, priority] : GetParam().resources) {
      resources_[name] = &Online("juliet@home.example/" + std::string(name), priority);
    }
  }

  // What came of it, in the words of the table.
  std::string Send(const std::string& type) {
    const auto stored = roster_->offline_count("juliet@home.example");
    romeo_->Send(Message(GetParam().to, type));
    const auto answers = Received(*romeo_);
    std::string came = answers.empty() ? "" : AnswerIn(answers);
    if (roster_->offline_count("juliet@home.example") > stored) came += kStored;
    for (const auto& [name, client] : resources_) {
      for (const auto& got : client->Take()) came += Attr(got, "id") == "m" ? name : "?";
    }
    return came;
  }
  static std::string AnswerIn(const std::vector<std::string>& answers) {
    EXPECT_THAT(answers, ElementsAre(HasSubstr("service-unavailable")));
    EXPECT_EQ(Attr(answers[0], "from"), GetParam().to);
    EXPECT_EQ(Attr(answers[0], "to"), "romeo@home.example/orchard");
    EXPECT_EQ(Attr(answers[0], "id"), "m");
    return Attr(answers[0], "type");
  }

 private:
  Client* romeo_ = nullptr;
  std::map<std::string, Client*> resources_;
};

TEST_P(DeliveryTableTest, MessagesGoWhereTheTableSays) {
  EXPECT_EQ(Send("normal"), GetParam().normal);
  EXPECT_EQ(Send("chat"), GetParam().chat);
  EXPECT_EQ(Send("groupchat"), GetParam().groupchat);
  EXPECT_EQ(Send("headline"), GetParam().headline);
  EXPECT_EQ(Send("error"), GetParam().error);
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  std::string name = std::to_string(info.index) + "_" + info.param.condition;
  std::erase(name, ',');
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Rfc6121, DeliveryTableTest, ::testing::ValuesIn(kCases), CaseName);

TEST_F(DeliveryTest, AMessageToNobodyIsBounced) {
  Client& romeo = Online("romeo@home.example/orchard");
  for (const char* to : {"nobody@home.example", "nobody@home.example/x"}) {
    romeo.Send(Message(to, "chat"));
    EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("service-unavailable")));
  }
}

TEST_F(DeliveryTest, BytesTravelUntouched) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Send(
      "<message to='juliet@home.example/balcony' type='chat'><body>a &lt; b</body><x:y xmlns:x='urn:z'/></message>");
  EXPECT_THAT(
      Received(juliet),
      ElementsAre(XmlEq("<message from='romeo@home.example/orchard' to='juliet@home.example/balcony' type='chat'>"
                        "<body>a &lt; b</body><y xmlns='urn:z'/></message>")));
}

TEST_F(DeliveryTest, AMessageWithoutToIsForTheOwnAccount) {  // RFC 6120 10.3.1
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<message type='chat'><body>note</body></message>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("note")));
}

TEST_F(DeliveryTest, RemoteAndUnknownDomainsAreNotFound) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<message to='a@elsewhere.net'><body>hi</body></message>");
  romeo.Send("<iq to='sub.home.example' type='get' id='1'><query xmlns='jabber:iq:version'/></iq>");
  romeo.Send("<presence to='a@elsewhere.net'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("remote-server-not-found"), HasSubstr("remote-server-not-found"),
                                           HasSubstr("remote-server-not-found")));
}

TEST_F(DeliveryTest, TheServerTakesNoMessages) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<message to='home.example'><body>hi</body></message>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("service-unavailable")));
}

TEST_F(DeliveryTest, ErrorsAreNeverAnswered) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send(
      "<message to='nobody@home.example' type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:"
      "xmpp-stanzas'/></error></message>");
  romeo.Send("<iq to='nobody@home.example/x' type='result' id='1'/>");
  romeo.Send("<iq to='juliet@home.example/x' type='error' id='1'/>");
  romeo.Send("<iq to='home.example' type='error' id='1'/>");
  romeo.Send("<iq type='result' id='push'/>");
  EXPECT_THAT(Received(romeo), IsEmpty());
}

TEST_F(DeliveryTest, AnIqToAResourceIsDelivered) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  romeo.Send("<iq to='juliet@home.example/balcony' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  juliet.Send("<iq to='romeo@home.example/orchard' type='result' id='1'/>");
  EXPECT_THAT(Received(romeo), ElementsAre(XmlEq("<iq from='juliet@home.example/balcony' "
                                                 "to='romeo@home.example/orchard' type='result' id='1'/>")));
}

TEST_F(DeliveryTest, AnIqToAnAbsentResourceIsUnavailable) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Send("<iq to='juliet@home.example/balcony' type='set' id='1'><x xmlns='urn:x'/></iq>");
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("service-unavailable")));
}

TEST_F(DeliveryTest, OrderIsKeptBetweenTwo) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  for (int i = 0; i < 500; ++i) {
    const std::string to = i % 3 == 0 ? "juliet@home.example" : "juliet@home.example/balcony";
    romeo.Send("<message type='chat' to='" + to + "' id='" + std::to_string(i) + "'><body>x</body></message>");
  }
  const auto received = Received(juliet);
  ASSERT_THAT(received, SizeIs(500));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(Attr(received[static_cast<std::size_t>(i)], "id"), std::to_string(i));
}

TEST_F(DeliveryTest, DomainsOfOneClusterTalk) {
  Client& nurse = Online("nurse@other.example/hall");
  Client& juliet = Online("juliet@home.example/balcony");
  nurse.Send("<message to='juliet@home.example' type='chat'><body>madam</body></message>");
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("madam")));
}

TEST_F(DeliveryTest, AFullQueueIsAnsweredWithResourceConstraint) {
  Client& romeo = Online("romeo@home.example/orchard");
  testing::Edge& slow = AddEdge("c2s-2");
  Online(slow, "juliet@home.example/balcony");
  slow.SetOverloaded(true);
  romeo.Send(Message("juliet@home.example", "chat"));
  EXPECT_THAT(Received(romeo), ElementsAre(HasSubstr("resource-constraint")));
}

TEST_F(DeliveryTest, WhatWentToOthersDoesNotComeAgainForTheResourceThatIsBoundMeanwhile) {
  Client& romeo = Online("romeo@home.example/orchard");
  Client& balcony = Online("juliet@home.example/balcony");
  romeo.Send(Message("juliet@home.example/hall", "chat"));
  EXPECT_THAT(Received(balcony), SizeIs(1));
  auto again = std::make_unique<rpc::Envelope>(edge().last());
  Client& hall = Online("juliet@home.example/hall");
  Received(hall);
  edge().SendAgain(std::move(again));
  EXPECT_THAT(Received(hall), IsEmpty());
  EXPECT_EQ(edge().repeats(), 1);
  EXPECT_EQ(Metric("parley_router_diverted_again_total"), 1);
  romeo.Send(Message("juliet@home.example/hall", "chat"));
  EXPECT_THAT(Received(hall), SizeIs(1));
}

TEST_F(DeliveryTest, WhatOneOfSeveralSessionsTakesIsDelivered) {
  Client& romeo = Online("romeo@home.example/orchard");
  testing::Edge& slow = AddEdge("c2s-2");
  Client& balcony = Online("juliet@home.example/balcony");
  Online(slow, "juliet@home.example/hall");
  balcony.Take();
  slow.SetOverloaded(true);
  romeo.Send(Message("juliet@home.example", "chat"));
  EXPECT_THAT(Received(balcony), SizeIs(1));
  EXPECT_THAT(romeo.Take(), IsEmpty());
  EXPECT_EQ(slow.unacknowledged() + edge().unacknowledged(), 0u);
  edge().SetOverloaded(true);
  romeo.Send(Message("juliet@home.example", "chat"));
  RunUntil([&] { return Metric("parley_router_bounces_total{condition=\"resource-constraint\"}") == 1; });
}

}  // namespace
}  // namespace parley::router

#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Attr;
using testing::Client;
using testing::XmlEq;

class DeliveryTest : public testing::ClusterTest {
 protected:
  static std::string Message(const std::string& to, const std::string& type) {
    const std::string attribute = type == "normal" ? "" : " type='" + type + "'";
    return "<message to='" + to + "' id='m'" + attribute + "><body>hi</body></message>";
  }
};

// What the sender and each resource of the recipient see, RFC 6121 8.5.4.
struct Case {
  const char* name;
  std::vector<std::pair<const char*, int>> resources;  // name and priority
  const char* to;
  const char* type;
  std::vector<const char*> got;  // resources that get it
  bool stored;
  bool bounced;
};

const Case kCases[] = {
    {"offline, bare", {}, "juliet@home.example", "normal", {}, true, false},
    {"offline, bare", {}, "juliet@home.example", "chat", {}, true, false},
    {"offline, bare", {}, "juliet@home.example", "groupchat", {}, false, true},
    {"offline, bare", {}, "juliet@home.example", "headline", {}, false, false},
    {"offline, bare", {}, "juliet@home.example", "error", {}, false, false},
    {"offline, full", {}, "juliet@home.example/a", "normal", {}, false, true},
    {"offline, full", {}, "juliet@home.example/a", "chat", {}, true, false},
    {"offline, full", {}, "juliet@home.example/a", "groupchat", {}, false, true},
    {"offline, full", {}, "juliet@home.example/a", "headline", {}, false, true},
    {"negative, bare", {{"a", -1}}, "juliet@home.example", "normal", {}, true, false},
    {"negative, bare", {{"a", -1}}, "juliet@home.example", "chat", {}, true, false},
    {"negative, bare", {{"a", -1}}, "juliet@home.example", "headline", {}, false, false},
    {"negative, full", {{"a", -1}}, "juliet@home.example/a", "chat", {"a"}, false, false},
    {"negative, full", {{"a", -1}}, "juliet@home.example/a", "groupchat", {"a"}, false, false},
    {"negative, other", {{"a", -1}}, "juliet@home.example/b", "chat", {}, true, false},
    {"negative, other", {{"a", -1}}, "juliet@home.example/b", "normal", {}, false, true},
    {"one, bare", {{"a", 0}}, "juliet@home.example", "normal", {"a"}, false, false},
    {"one, bare", {{"a", 0}}, "juliet@home.example", "chat", {"a"}, false, false},
    {"one, bare", {{"a", 0}}, "juliet@home.example", "groupchat", {}, false, true},
    {"one, bare", {{"a", 0}}, "juliet@home.example", "headline", {"a"}, false, false},
    {"one, full", {{"a", 0}}, "juliet@home.example/a", "error", {"a"}, false, false},
    {"one, other", {{"a", 0}}, "juliet@home.example/b", "chat", {"a"}, false, false},
    {"one, other", {{"a", 0}}, "juliet@home.example/b", "headline", {}, false, true},
    {"many, bare", {{"a", 5}, {"b", 5}, {"c", 1}}, "juliet@home.example", "chat", {"a", "b"}, false, false},
    {"many, bare", {{"a", 5}, {"b", 1}}, "juliet@home.example", "normal", {"a"}, false, false},
    {"many, bare", {{"a", 5}, {"b", 1}, {"c", -1}}, "juliet@home.example", "headline", {"a", "b"}, false, false},
    {"many, full", {{"a", 5}, {"b", 1}}, "juliet@home.example/b", "chat", {"b"}, false, false},
};

TEST_F(DeliveryTest, MessagesGoWhereTheTableSays) {
  Client& romeo = Online("romeo@home.example/orchard");
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.name) + ", " + c.type);
    std::map<std::string, Client*> resources;
    for (const auto& [name, priority] : c.resources) {
      resources[name] = &Online("juliet@home.example/" + std::string(name), priority);
    }
    const std::size_t before = roster_->offline_count("juliet@home.example");
    romeo.Send(Message(c.to, c.type));
    Settle();
    for (const auto& [name, client] : resources) {
      const bool wanted = std::find(c.got.begin(), c.got.end(), name) != c.got.end();
      EXPECT_THAT(client->Take(), SizeIs(wanted ? 1 : 0)) << name;
      client->Close();
    }
    Settle();
    EXPECT_EQ(roster_->offline_count("juliet@home.example") - before, c.stored ? 1 : 0);
    const auto answers = romeo.Take();
    ASSERT_THAT(answers, SizeIs(c.bounced ? 1 : 0));
    if (c.bounced) {
      EXPECT_THAT(answers[0], HasSubstr("service-unavailable"));
      EXPECT_EQ(Attr(answers[0], "from"), c.to);
      EXPECT_EQ(Attr(answers[0], "type"), "error");
    }
    // So that the next case finds nothing stored.
    if (c.stored) Online("juliet@home.example/x").Close();
    Settle();
  }
}

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
  romeo.Send("<message to='juliet@home.example/balcony' type='chat'><body>a &lt; b</body><x:y xmlns:x='urn:z'/></message>");
  EXPECT_THAT(Received(juliet),
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
  romeo.Send("<message to='nobody@home.example' type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:"
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

}  // namespace
}  // namespace parley::router

// What clients get, and acknowledge, while their edge has lost Redis; and how they are resumed if it dies then.
#include <chrono>
#include <optional>

#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// An edge left the session, and Redis had been told of its messages up to this number.
class UnloggedTest : public ResumeTest {
 protected:
  void LeaveUnlogged(std::uint64_t after, const std::vector<std::string>& queued, std::uint64_t acked = 0) {
    edge_.OnLoop([&] { edge_.router().resumed.mutable_record()->set_unlogged_after(after); });
    std::vector<link::v1::Envelope> envelopes;
    for (const auto& id : queued) envelopes.push_back(Queued(id));
    Leave([acked](session::v1::QueueHeader& header) { header.set_acked(acked); }, envelopes);
  }
  std::vector<std::string> QueuedStanzas() {
    std::vector<std::string> stanzas;
    for (const auto& queued : Contents().stanzas) stanzas.push_back(queued.envelope().stanza());
    return stanzas;
  }
  // What the router was told: behind which number the queue may lack something. On the loop's thread.
  std::optional<std::uint64_t> Heard() {
    std::optional<std::uint64_t> after;
    for (const auto& got : edge_.router().got) {
      if (got.envelope.has_unlogged()) after = got.envelope.unlogged().after();
    }
    return after;
  }
  std::optional<std::uint64_t> Told() {
    return edge_.OnLoop([this] { return Heard(); });
  }
  // Redis has the first message, the client both.
  std::string LoseRedis(Client& client) {
    const std::string id = Enable(client);
    Deliver(id, Message("1"));
    client.Until(Message("1"));
    edge_.redis().Stop();
    Deliver(id, Message("2"));
    client.Until(Message("2"));
    EXPECT_EQ(Told(), std::nullopt) << "a router has it yet";
    return id;
  }
  double TimesTold() { return edge_.Metric("parley_c2s_sm_unlogged_total"); }
};

// The client got two behind "a", which nobody else knows.
TEST_F(UnloggedTest, WhatCameAfterTheEdgeDiedIsCountedFromWhereItsClientIs) {
  LeaveUnlogged(11, {"a", "b", "c"}, 10);
  Client client(edge_.port());
  EXPECT_EQ(Resume(client, "left", 13), "<resumed xmlns='urn:xmpp:sm:3' previd='left' h='0'/>");
  EXPECT_EQ(client.Until(Message("c")), Message("b") + Message("c"));
  ASSERT_TRUE(AwaitAcked(13));
  EXPECT_THAT(QueuedStanzas(), ElementsAre(Message("b"), Message("c")));
  Deliver("left", Message("d"));
  client.Until(Message("d"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='15'/>");
  ASSERT_TRUE(AwaitAcked(15));
  EXPECT_THAT(QueuedStanzas(), ElementsAre(Message("d")));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='17'/>");
  EXPECT_THAT(client.Rest(), HasSubstr("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='17' send-count='16'/>"));
}

TEST_F(UnloggedTest, CountersWrapAround) {
  LeaveUnlogged(4294967295, {"a", "b"}, 4294967294);
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 1), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("b")), Message("b"));
  EXPECT_TRUE(AwaitAcked(4294967297));
}

// Nothing of the queue goes, so that no trim says it.
TEST_F(UnloggedTest, WhereItsClientIsIsNotedAlsoIfTheQueueIsEmpty) {
  LeaveUnlogged(0, {});
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 2), HasSubstr("<resumed"));
  EXPECT_TRUE(AwaitAcked(2));
  Deliver("left", Message("1"));
  client.Until(Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='3'/>");
  EXPECT_TRUE(AwaitAcked(3));
}

TEST_F(UnloggedTest, AClientThatGotNothingMoreIsResumedAsEver) {
  LeaveUnlogged(2, {"a", "b", "c"});
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 1), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("c")), Message("b") + Message("c"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='4'/>");
  EXPECT_THAT(client.Rest(), HasSubstr("handled-count-too-high"));
}

// It said so some time ago, and has queued more since.
TEST_F(UnloggedTest, AnEdgeThatHadRedisAgainLeftNothingOut) {
  LeaveUnlogged(9, {"a", "b"}, 10);
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='13'/>");
  EXPECT_THAT(client.Rest(), HasSubstr("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='13' send-count='12'/>"));
}

// Its client hung up while the session was claimed; what comes meanwhile is queued, too.
TEST_F(UnloggedTest, WhatIsQueuedBeforeTheClientIsBackIsBehindWhereItIs) {
  LeaveUnlogged(1, {"a", "b"});
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  {
    Client client(edge_.port());
    client.LogIn();
    client.Send("<resume xmlns='urn:xmpp:sm:3' previd='left' h='3'/>");
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
    client.connection().Reset();
  }
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_streams{state=\"negotiating\"}") == 0; }));
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  ASSERT_TRUE(AwaitSessions("away", 1));
  Deliver("left", Message("c"));
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "4"; }));
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 3), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("c")), Message("b") + Message("c"));
  EXPECT_TRUE(AwaitAcked(3));
}

TEST_F(UnloggedTest, IsCountedRightThoughRedisCannotBeToldAtOnce) {
  LeaveUnlogged(2, {"a", "b", "c"}, 1);
  edge_.OnLoop([this] {
    const auto make = edge_.router().on_ask;
    edge_.router().on_ask = [this, make](const session::v1::Ask& ask) {
      make(ask);
      edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx", "-lset"});
    };
  });
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 4), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("c")), Message("b") + Message("c"));
  Deliver("left", Message("d"));
  client.Until(Message("d"));
  link::v1::Envelope foreign = Queued("foreign");
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx", "+lset"});
  EXPECT_EQ(client.Until(Message("foreign")), Message("foreign"));
  ASSERT_TRUE(AwaitAcked(4));
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().stanzas.size() == 4; }));
  EXPECT_THAT(QueuedStanzas(), ElementsAre(Message("b"), Message("c"), Message("d"), Message("foreign")));
}

TEST_F(UnloggedTest, RoutersAreToldBeforeWhatIsAcknowledgedIsNoLongerTheirs) {
  Client client(edge_.port());
  const std::string id = LoseRedis(client);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/><a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Told(), 1u);
  EXPECT_EQ(TimesTold(), 1);
  Deliver(id, Message("3"));
  client.Until(Message("3"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='3'/>");
  ASSERT_TRUE(AwaitSettled(3));
  EXPECT_EQ(TimesTold(), 1) << "once is enough";
  edge_.redis().Start();
}

TEST_F(UnloggedTest, RoutersAreToldOfWhatTheEdgeSaysItself) {
  Client client(edge_.port());
  LoseRedis(client);
  client.Send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
  client.Until("id='s'");
  EXPECT_TRUE(edge_.Eventually([this] { return Heard() == 1u; }));
  edge_.redis().Start();
}

TEST_F(UnloggedTest, PingsOfTheServerAreTheRouters) {
  Client client(edge_.port());
  LoseRedis(client);
  client.Send("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");
  EXPECT_TRUE(edge_.Eventually(
      [this] { return !edge_.router().got.empty() && edge_.router().got.back().envelope.payload_name() == "ping"; }));
  EXPECT_EQ(edge_.Metric("parley_c2s_pings_answered_total"), 0);
  edge_.redis().Start();
}

TEST_F(UnloggedTest, NobodyIsToldAnythingWhileRedisIsThere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const char* message : {"1", "2"}) Deliver(id, Message(message));
  client.Until(Message("2"));
  client.Send("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");  // the edge answers
  client.Until("id='s'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='3'/>");
  ASSERT_TRUE(AwaitAcked(3));
  EXPECT_EQ(Told(), std::nullopt);
}

}  // namespace
}  // namespace parley::c2s::testing

// The life of a session with stream management beyond one stream (XEP-0198 section 5).
#include "services/c2s/testing/resume_test.h"

#include <algorithm>

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(ResumeTest, ComesBackToTheSameEdge) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  client.Send("<message to='juliet@example.org'/>");
  for (const char* message : {"1", "2"}) Deliver(id, Message(message));
  client.Until(Message("2"));
  GoAway(client);
  EXPECT_FALSE(Ended());
  Deliver(id, Message("3"));
  EXPECT_TRUE(AwaitSettled(3));
  Client again(edge_.port());
  EXPECT_EQ(Resume(again, id, 1), "<resumed xmlns='urn:xmpp:sm:3' previd='" + id + "' h='1'/>");
  EXPECT_EQ(again.Until(Message("3")), Message("2") + Message("3"));
  Deliver(id, Message("4"));
  again.Until(Message("4"));
  again.Send("<message to='juliet@example.org' id='second'/>");
  again.Send(kAsk);
  EXPECT_EQ(again.Until("/>"), "<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); }), 2u);
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().asks.size(); }), 2u) << "no router is needed for this";
}

// Their bytes share memory, and go one after the other.
TEST_F(ResumeTest, OfManyThatWaitThoseThatAreNotAcknowledgedComeAgain) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  const auto numbered = [](int number) {
    const std::string body(static_cast<std::size_t>(number) * 7, 'x');
    return "<message id='" + std::to_string(number) + "'><body>" + body + "</body></message>";
  };
  for (int number = 1; number <= 100; ++number) Deliver(id, numbered(number));
  client.Until(numbered(100));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='37'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().stanzas.size() == 63; }));
  GoAway(client);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 50), HasSubstr("<resumed"));
  const std::string rest = again.Until(numbered(100));
  EXPECT_THAT(rest, Not(HasSubstr(numbered(50))));
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().stanzas.size() == 50; }));
  const auto queued = Contents().stanzas;
  for (int number = 51; number <= 100; ++number) {
    EXPECT_THAT(rest, HasSubstr(numbered(number)));
    EXPECT_EQ(queued[static_cast<std::size_t>(number) - 51].envelope().stanza(), numbered(number));
  }
}

TEST_F(ResumeTest, TakesOverFromAStreamThatIsStillThere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("<resumed"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  Deliver(id, Message("1"));
  again.Until(Message("1"));
  EXPECT_FALSE(Ended());
}

TEST_F(ResumeTest, AStreamErrorOfTheClientsMakingEndsTheSession) {
  Client client(edge_.port());
  Enable(client);
  client.Send("<message from='somebody@else.example'/>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "invalid-from");
  EXPECT_TRUE(AwaitEnd("invalid-from"));
}

// Else who asks for it gets it with less than that.
TEST_F(ResumeTest, WhatIsAboutToEndIsNotResumedBeforeItIsSaidWhatIsHandled) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] {
    edge_.router().hold = true;
    edge_.router().resumed.set_condition("item-not-found");
  });
  client.Send("<message to='juliet@example.org'/><message from='somebody@else.example'/>");
  EXPECT_EQ(StreamErrorIn(client.Rest()), "invalid-from");
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  Client(edge_.port()).LogIn();  // by then it was read
  const auto is_resume = [](const auto& ask) { return ask.has_resume(); };
  EXPECT_TRUE(edge_.OnLoop([&] { return std::ranges::none_of(edge_.router().asks, is_resume); }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(edge_.router().got.size() - 1); });
  EXPECT_THAT(again.Until("</failed>"), HasSubstr("item-not-found"));
  EXPECT_EQ(Contents().header.handled(), 1u);
}

// As one that another edge has.
TEST_F(ResumeTest, IsNotResumedWhileItsQueueCannotBeWritten) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] {
    edge_.router().restore_ok = false;
    edge_.router().resumed.set_condition("item-not-found");
  });
  edge_.redis().Call({"RENAME", queue_, queue_ + ".claimed"});
  client.Send("<message to='juliet@example.org'/>");
  client.Send(kAsk);
  client.Until("/>");  // the header cannot be set
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("<failed"));
}

TEST_F(ResumeTest, OthersCannotResumeIt) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Client other(edge_.port());
  other.LogIn("juliet", "art thou");
  other.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  EXPECT_EQ(other.Until("</failed>"),
            "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
  EXPECT_EQ(client.Sync().find("stream:error"), std::string::npos);
  EXPECT_EQ(other.Bind("after"), "juliet@example.org/after");
}

TEST_F(ResumeTest, MoreThanWasSentIsAStreamError) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='1'/>");
  const std::string rest = again.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "undefined-condition");
  EXPECT_THAT(rest, HasSubstr("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='1' send-count='0'/>"));
}

TEST_F(ResumeTest, WhoeverNamedMoreThanWasSentMayComeBackWithTheTrueNumber) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const char* message : {"1", "2"}) Deliver(id, Message(message));
  client.Until(Message("2"));
  GoAway(client);
  Client wrong(edge_.port());
  wrong.LogIn();
  wrong.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='3'/>");
  EXPECT_EQ(StreamErrorIn(wrong.Rest()), "undefined-condition");
  EXPECT_FALSE(Ended());
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 1), HasSubstr("<resumed"));
  EXPECT_EQ(again.Until(Message("2")), Message("2"));
}

TEST_F(ResumeTest, LessThanWasAcknowledgedBeforeIsIgnored) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const char* message : {"1", "2", "3"}) Deliver(id, Message(message));
  client.Until(Message("3"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(AwaitAcked(2));
  GoAway(client);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 1), HasSubstr("<resumed"));
  EXPECT_EQ(again.Until(Message("3")), Message("3"));
  EXPECT_EQ(again.Sync().find("stream:error"), std::string::npos);
}

TEST_F(ResumeTest, WhatIsNoRequestToResumeIsABadOne) {
  Client client(edge_.port());
  client.LogIn();
  for (const char* attributes :
       {"", "previd='x'", "h='0'", "previd='' h='0'", "previd='x' h='-1'", "previd='x' h='4294967296'"}) {
    client.Send("<resume xmlns='urn:xmpp:sm:3' " + std::string(attributes) + "/>");
    EXPECT_EQ(client.Until("</failed>"), Failed("bad-request")) << attributes;
  }
  EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
}

TEST_F(ResumeTest, WhatNobodyKnowsIsNotFound) {
  edge_.OnLoop([this] {
    edge_.router().resumed.set_condition("item-not-found");
    edge_.router().resumed.set_knows_handled(true);
    edge_.router().resumed.set_handled(17);
  });
  Client client(edge_.port());
  client.LogIn();
  client.Send("<resume xmlns='urn:xmpp:sm:3' previd='nobody' h='0'/>");
  EXPECT_EQ(
      client.Until("</failed>"),
      "<failed xmlns='urn:xmpp:sm:3' h='17'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
  EXPECT_EQ(client.Bind(), "romeo@example.org/orchard");
}

TEST_F(ShortResumeTest, EndsWhenItsTimeIsOver) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  EXPECT_TRUE(AwaitEnd("resumption timeout"));
  Deliver(id, Message("1"));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

// In order: what Redis has is handled before what it could not be told of.
TEST_F(ShortResumeTest, ItsEndWaitsForRedis) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  edge_.redis().Stop();
  Deliver(id, Message("2"));
  client.Until(Message("2"));
  client.connection().Reset();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  EXPECT_FALSE(Ended());
  edge_.redis().Start();
  EXPECT_TRUE(AwaitEnd("resumption timeout"));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().refused.empty(); }));
}

TEST_F(ResumeTest, ADrainLeavesSessionsToBeResumedElsewhere) { ExpectLeftByADrain("system-shutdown"); }

class RedirectTest : public ResumeTest {
 protected:
  RedirectTest() : ResumeTest([](config::Config& config) { config.c2s.drain_redirect = "other.example:5222"; }) {}
};

TEST_F(RedirectTest, ADrainThatNamesAnotherHostLeavesThemToo) { ExpectLeftByADrain("see-other-host"); }

}  // namespace
}  // namespace parley::c2s::testing

// What goes back to the router as its session is over, and in which order.
#include "services/c2s/testing/management_test.h"

namespace parley::c2s::testing {
namespace {

class GivenBackTest : public ManagementTest {
 protected:
  std::vector<std::string> Refused() {
    return edge_.OnLoop([this] {
      std::vector<std::string> stanzas;
      for (const auto& [envelope, reason] : edge_.router().refused) stanzas.push_back(envelope.stanza());
      return stanzas;
    });
  }
};

// Of what goes back to it the router handles first what is refused first.
TEST_F(GivenBackTest, WhatComesOnceTheSessionIsOverIsRefusedBehindWhatItHas) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Pause();
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 1; }));
  client.Send(
      "<iq type='get' id='ours' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>");  // which the edge answers
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 2; }));
  client.Send("</stream:stream>");
  client.Rest();
  Deliver(SessionId(), Message("2"));
  Deliver(SessionId(), Message("stored"), [](link::v1::Envelope& envelope) { envelope.set_kept(true); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 3; }));
  edge_.redis().Resume();
  EXPECT_EQ(Refused(), (std::vector<std::string>{Message("stored"), Message("1"), Message("2")}));
}

// Also once Redis has what that was.
TEST_F(GivenBackTest, WhatComesBehindWhatAnEndedSessionHoldsIsRefusedBehindIt) {
  Client client(edge_.port());
  Enable(client, "<enable xmlns='urn:xmpp:sm:3'/>");
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  edge_.redis().Pause();
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 1; }));
  client.connection().Reset();
  ASSERT_TRUE(AwaitSessions("ending", 1));
  Deliver(SessionId(), Message("2"));
  Deliver("none", Message("none"));
  ASSERT_TRUE(AwaitSettled(1));
  edge_.redis().Resume();
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  Deliver(SessionId(), Message("3"));
  Deliver("none", Message("none"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 2; }));
  edge_.OnLoop([this] { edge_.router().Acknowledge(0); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 4; }));
  EXPECT_EQ(Refused(), (std::vector<std::string>{Message("none"), Message("none"), Message("2"), Message("3")}));
}

// The router that is told may stand still, and another not know that the session is over.
TEST_F(GivenBackTest, WhatComesOnceItIsSaidThatTheSessionIsOverIsRefusedAsSuch) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("stored"), [](link::v1::Envelope& envelope) { envelope.set_kept(true); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 2; }));
  edge_.OnLoop([this] {
    for (const auto& [envelope, reason] : edge_.router().refused)
      EXPECT_EQ(reason, link::v1::REFUSAL_REASON_SESSION_OVER);
  });
}

// What it holds meanwhile is given back behind that.
TEST_F(GivenBackTest, NotBeforeRedisHasWhatIsToBeHandledAgain) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitSessions("ending", 1));
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_FALSE(Ended());
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused[0].second; }), link::v1::REFUSAL_REASON_NO_SESSION);
}

class PatientTest : public SmTest {
 protected:
  PatientTest() : SmTest([](config::Config& config) { config.c2s.order_timeout = std::chrono::minutes(5); }) {}
};

// Else what is for the session waits in its queue when another router has its account.
TEST_F(PatientTest, ThatItsClientClosedItIsSaidBehindItsPresenceThoughThatIsNotTaken) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<presence type='unavailable'/></stream:stream>");
  ASSERT_TRUE(AwaitArrived(1));
  client.connection().Reset();
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.at(0).envelope.kind() == link::v1::KIND_PRESENCE; }));
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().refused.empty(); }));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused[0].second; }), link::v1::REFUSAL_REASON_SESSION_OVER);
}

class NarrowTest : public SmTest {
 protected:
  NarrowTest() : SmTest([](config::Config& config) { config.c2s.max_early = 1; }) {}
};

// Its sender need not hear that the recipient does not keep up: it is for who is not there.
TEST_F(NarrowTest, WhatAnEndedSessionCannotHoldIsRefusedWithAllThatItIsBehind) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Pause();
  Deliver(SessionId(), Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 1; }));
  client.Send("</stream:stream>");
  client.Rest();
  for (const char* id : {"2", "3", "4"}) Deliver(SessionId(), Message(id));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 4; }));
  edge_.redis().Resume();
  edge_.OnLoop([this] {
    int number = 0;
    for (const auto& [envelope, reason] : edge_.router().refused) {
      EXPECT_EQ(envelope.stanza(), Message(std::to_string(++number)));
      EXPECT_EQ(reason, link::v1::REFUSAL_REASON_NO_SESSION);
    }
  });
}

class FullQueueTest : public SmTest {
 protected:
  FullQueueTest() : SmTest([](config::Config& config) { config.c2s.sm_max_stanzas = 2; }) {}
};

TEST_F(FullQueueTest, WhatIsOneTooManyIsRefusedBehindTheOthers) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Pause();
  for (const char* id : {"1", "2", "3"}) Deliver(SessionId(), Message(id));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 3; }));
  edge_.redis().Resume();
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().refused.back().first.stanza(); }), Message("3"));
}

}  // namespace
}  // namespace parley::c2s::testing

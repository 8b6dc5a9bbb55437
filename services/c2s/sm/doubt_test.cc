// Sessions of an edge that is cut off, or was stopped, and may have been claimed from it.
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include "services/c2s/testing/resume_test.h"
#include "tests/support/redis_server.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void Hasten(config::Config& config) {
  config.c2s.lease_ttl = std::chrono::seconds(1);
  config.c2s.lease_refresh = std::chrono::milliseconds(100);
  config.c2s.no_router_timeout = std::chrono::seconds(2);
  config.link.keepalive = std::chrono::milliseconds(500);
  config.link.keepalive_timeout = std::chrono::milliseconds(1000);
}

class LonelyTest : public ResumeTest {
 protected:
  LonelyTest() : ResumeTest(&Hasten) {}
};

constexpr char kMessagesIn[] = "parley_c2s_stanzas_in_total{kind=\"message\"}";

// It would not hear that no router takes it, and sends it again if it is not handled.
TEST_F(LonelyTest, WhatAClientSaidBeforeItWentAwayWaitsForARouter) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  GoAway(client);
  EXPECT_EQ(Contents().header.handled(), 0u);
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 0), HasSubstr("h='0'"));
  EXPECT_EQ(Contents().stanzas.size(), 0u);  // no error for it
}

TEST_F(LonelyTest, WhatIsAnsweredIsNotAskedAgain) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold = true; });
  client.Send("<iq type='get' id='q' to='juliet@example.org/balcony'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  const auto number = edge_.OnLoop([this] { return edge_.router().got.back().envelope.origin_seq(); });
  const std::string answer = "<iq type='result' id='q'/>";
  Deliver(id, answer, [number](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_answers(number);
  });
  client.Until(answer);
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  client.Send(kAsk);
  EXPECT_THAT(client.Until("/>"), HasSubstr("h='1'"));  // not for the routers any more
}

TEST_F(LonelyTest, WhatMayHaveBeenClaimedFromAnEdgeThatIsCutOffIsNotResumedThere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  GoAway(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));  // its lease has lapsed
  edge_.StopRouter();
  Client again(edge_.port());
  again.LogIn();
  again.Send("<resume xmlns='urn:xmpp:sm:3' previd='" + id + "' h='0'/>");
  const std::string rest = again.Rest();
  EXPECT_EQ(StreamErrorIn(rest), "resource-constraint");
  EXPECT_THAT(rest, Not(HasSubstr("<failed")));
  edge_.redis().Start();
}

// What SIGSTOP does to an edge: its loop does not turn until the lease has lapsed.
class StoppedTest : public LonelyTest {
 protected:
  void StopAWhile() {
    edge_.OnLoop([] { std::this_thread::sleep_for(std::chrono::milliseconds(1500)); });
  }
  bool GotMessage() {
    return edge_.OnLoop([this] { return HasMessage(); });
  }
  bool AwaitMessage() {
    return edge_.Eventually([this] { return HasMessage(); });
  }

 private:
  bool HasMessage() {
    const auto& got = edge_.router().got;
    return std::any_of(got.begin(), got.end(),
                       [](const auto& g) { return g.envelope.kind() == link::v1::KIND_MESSAGE; });
  }
};

TEST_F(StoppedTest, WhatClientsSaidMeanwhileWaitsUntilTheirSessionIsKnownToBeOurs) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  client.Send("<message to='juliet@example.org' id='1'/>");
  StopAWhile();
  client.Send("<message to='juliet@example.org' id='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 2; }));
  const auto before = edge_.OnLoop([this] { return edge_.router().got.size(); });
  EXPECT_LE(before, 1u);  // the first, perhaps
  edge_.OnLoop([this] {
    edge_.router().hold_asks = false;  // it is asked once more, should the lease have been taken after the first time
    edge_.router().AnswerHeld();
  });
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.id(); }), "2");
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// Its router waits for what it holds, in the turn for which what its edge has asked waits.
TEST_F(StoppedTest, WhatADismissedSessionHoldsGoesBackBeforeItIsKnownWhoseItIs) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  Deliver(id, Message("1"));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sm_unacknowledged_stanzas") == 1; }));
  edge_.redis().Call({"RENAME", queue_, session::QueueKey("romeo@example.org", "ended:" + id)});
  edge_.OnLoop([&] { edge_.router().Disconnect(id, "conflict"); });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  EXPECT_FALSE(Ended());  // that it is over is said behind the answer
  edge_.OnLoop([this] {
    edge_.router().hold_asks = false;
    edge_.router().AnswerHeld();
  });
  EXPECT_TRUE(AwaitEnd("conflict"));
}

TEST_F(StoppedTest, WhatIsStoredStaysSoUntilItIsKnownWhoseTheSessionIs) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  const auto kept = [](link::v1::Envelope& envelope) { envelope.set_kept(true); };
  Deliver(id, Message("1"), kept);
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
  edge_.OnLoop([this] {
    edge_.router().hold_asks = false;
    edge_.router().AnswerHeld();
  });
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_sessions_restoring") == 0; }));
  Deliver(id, Message("2"), kept);
  EXPECT_THAT(client.Until(Message("2")), Not(HasSubstr(Message("1"))));
}

// What is answered or bounced would not find the session before.
class StoppedUnmanagedTest : public StoppedTest {
 protected:
  void Say(Client& client) {
    client.Send("<message to='juliet@example.org' id='1'/>");
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  }
  void ExpectItWaitsUntilPutBack() {
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
    EXPECT_FALSE(GotMessage());
    edge_.OnLoop([this] {
      edge_.router().hold_asks = false;
      edge_.router().AnswerHeld();
    });
    EXPECT_TRUE(AwaitMessage());
  }
};

TEST_F(StoppedUnmanagedTest, WhatWasSaidWithoutStreamManagementWaitsToo) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  Say(client);
  ExpectItWaitsUntilPutBack();
}

// As its links have broken, too.
TEST_F(StoppedUnmanagedTest, WhatWasSaidBeforeARouterIsBackWaitsToo) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  Say(client);
  edge_.StartRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  ExpectItWaitsUntilPutBack();
}

// Of two routers, whose links break one behind the other.
class TwoRoutersTest : public ::testing::Test {
 protected:
  TwoRoutersTest()
      : edge_([this](config::Config& config) {
          Hasten(config);
          config.cluster.routers.push_back(address_);
          config.link.reconnect_min = std::chrono::milliseconds(500);
        }) {
    edge_.OnLoop([this] {
      const rpc::Self self{"router", "router-2", "epoch"};
      server_ =
          std::make_unique<rpc::Server>(edge_.loop(), self, address_, rpc::LinkOptions(), rpc::Methods(), &second_);
    });
    EXPECT_TRUE(edge_.Eventually([this] { return second_.links.size() == 1; }));
    edge_.OnLoop([this] {
      for (auto* router : routers()) router->on_ask = [this](const session::v1::Ask& ask) { MakeQueue(ask); };
    });
  }
  ~TwoRoutersTest() override {
    edge_.OnLoop([this] { server_.reset(); });
  }
  std::array<FakeRouter*, 2> routers() { return {&edge_.router(), &second_}; }
  // On the loop's thread.
  std::size_t Messages(const FakeRouter& router) {
    return static_cast<std::size_t>(std::count_if(router.got.begin(), router.got.end(), [](const auto& got) {
      return got.envelope.kind() == link::v1::KIND_MESSAGE;
    }));
  }
  std::size_t Messages() { return Messages(edge_.router()) + Messages(second_); }
  // While the edge stands still, first that of the router that has a message.
  void BreakLinks() {
    edge_.OnLoop([this] {
      auto [one, other] = routers();
      if (Messages(*one) == 0) std::swap(one, other);
      one->links.front()->Close();
      other->links.front()->Close();
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    });
  }

  void MakeQueue(const session::v1::Ask& ask) {
    if (!ask.has_enable()) return;
    const auto& enable = ask.enable();
    edge_.redis().Call(
        {"RPUSH", session::QueueKey(enable.account(), enable.queue()), session::Encode(enable.header())});
  }

  const std::string address_ = "127.0.0.1:" + std::to_string(test::FreePort());
  FakeRouter second_;
  std::unique_ptr<rpc::Server> server_;
  EdgeHarness edge_;
};

TEST_F(TwoRoutersTest, WhatTheFirstLinkGivesBackIsNotAnsweredAsTheLastBreaks) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] {
    for (auto* router : routers()) router->hold = true;
  });
  client.Send("<message to='juliet@example.org' id='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 1; }));
  BreakLinks();
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 2; }));
  edge_.OnLoop([this] {
    std::string session;
    for (auto* router : routers()) {
      for (const auto& ask : router->asks) session = ask.has_bind() ? ask.bind().session() : session;
    }
    auto* router = routers()[edge_.router().links.empty() ? 1 : 0];
    router->Deliver(session, "<message id='end'/>");
  });
  EXPECT_THAT(client.Until("<message id='end'/>"), Not(HasSubstr("<error")));
}

// What one session may not send now says nothing of how long the routers have been gone.
TEST_F(TwoRoutersTest, WhatTheFirstLinkGivesBackDoesNotMakeOthersGiveUp) {
  Client managed(edge_.port());
  managed.Start();
  managed.Send(kEnable);
  managed.Until("<enabled");
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] {
    for (auto* router : routers()) router->hold = true;
  });
  managed.Send("<message to='juliet@example.org' id='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 1; }));
  BreakLinks();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_undeliverable_total") == 1; }));
  client.Send("<message to='juliet@example.org' id='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Messages() == 3; })) << "each goes once a router is back";
}

TEST_F(StoppedUnmanagedTest, WithoutARouterThenItsClientIsToldSo) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  Say(client);
  edge_.StopRouter();
  EXPECT_THAT(client.Until("</message>"), HasSubstr("<remote-server-timeout"));
}

// Nobody can put it back then.
TEST_F(StoppedUnmanagedTest, WithoutRedisNobodyWaits) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  StopAWhile();
  Say(client);
  EXPECT_TRUE(AwaitMessage());
  edge_.redis().Start();
}

TEST_F(StoppedUnmanagedTest, WithoutRedisNobodyWaitsForARouterThatIsBackEither) {
  Client client(edge_.port());
  client.Start();
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  edge_.StopRouter();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_doubts_total{reason=\"no router\"}") > 0; }));
  Say(client);
  edge_.StartRouter();
  EXPECT_TRUE(AwaitMessage());
  edge_.redis().Start();
}

// Its client says it again there.
TEST_F(StoppedTest, WhatClientsSaidMeanwhileIsForgottenIfOthersHaveTheirSession) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  edge_.OnLoop([this] {
    edge_.router().restore_ok = false;
    edge_.router().AnswerHeld();
  });
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(AwaitEnd("conflict"));
  EXPECT_FALSE(GotMessage());
}

// The routers have it under the lease of before.
TEST_F(StoppedTest, ASessionThatEndsBeforeItIsPutBackEndsUnderAnyLease) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  client.Send("</stream:stream>");
  client.Rest();
  edge_.OnLoop([this] {
    edge_.router().hold_asks = false;
    edge_.router().AnswerHeld();
  });
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().got.back().envelope.session_ended().node_epoch(); }), "");
}

TEST_F(StoppedTest, WhatOthersQueuedMeanwhileComesFirst) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "-lrange"});  // Redis does not say what is there
  const double errors = edge_.Metric("parley_redis_errors_total");
  StopAWhile();
  ASSERT_TRUE(edge_.Eventually([&] { return edge_.Metric("parley_redis_errors_total") > errors; }));
  Deliver(id, Message("new"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+lrange"});
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("foreign")));
}

TEST_F(StoppedTest, WhatTheClientHasSeenOfWhatIsUnsureKeepsItsPlaceAndNothingElse) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx", "-lrange"});
  Deliver(id, Message("seen"));
  client.Until(Message("seen"));
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  StopAWhile();
  Deliver(id, Message("new"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx", "+lrange"});
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("foreign")));
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().stanzas.size() == 3; }));
  EXPECT_EQ(Contents().stanzas[0].envelope().stanza(), Message("seen"));
}

// It may be resumed elsewhere, where nobody would know that it was answered.
TEST_F(LonelyTest, WhatAClientSaysWhileItsEdgeIsCutOffWaitsForARouter) {
  Client client(edge_.port());
  Enable(client);
  edge_.StopRouter();
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  client.Send("<message to='juliet@example.org' id='m'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric(kMessagesIn) == 1; }));
  client.Send("</stream:stream>");
  EXPECT_THAT(client.Rest(), Not(HasSubstr("<message")));
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_c2s_deferred_stanzas") == 1; }));
  edge_.redis().Start();
}

}  // namespace
}  // namespace parley::c2s::testing

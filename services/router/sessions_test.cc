// Sessions are bound, and end: by their edge's word, with it, or found to be over.
#include "services/router/testing/sessions.h"

#include "libs/session/asked.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::Contains;
using testing::Edge;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kRomeoKey;
using testing::SessionsTest;
using ::testing::SizeIs;
using xmpp::Subscription;

TEST_F(SessionsTest, TheServerChoosesAResource) {
  Start();
  Client& romeo = Bind(edge(), "", session::v1::CONFLICT_UNSPECIFIED);
  EXPECT_GT(romeo.jid().size(), std::string("romeo@home.example/").size() + 8);
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
}

TEST_F(SessionsTest, ReplaceOldEndsTheOther) {  // RFC 6120 7.7.2.2
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  juliet.Take();
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  EXPECT_EQ(young.jid(), "romeo@home.example/orchard");
  RunUntil([&] { return old.disconnected() == "conflict"; });
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("type='unavailable'")));
  old.Close("conflict");  // late, and about a session that is over
  Settle();
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "1");
  young.Send("<presence/>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
}

TEST_F(SessionsTest, RefuseNewKeepsTheOther) {
  Client& old = Login("romeo@home.example/orchard");
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_REFUSE_NEW);
  EXPECT_EQ(young.bound().condition(), "conflict");
  EXPECT_EQ(old.disconnected(), "");
}

TEST_F(SessionsTest, NewResourceMakesAnother) {
  Login("romeo@home.example/orchard");
  Client& young = Bind(edge(), "orchard", session::v1::CONFLICT_NEW_RESOURCE);
  EXPECT_THAT(young.jid(), HasSubstr("romeo@home.example/"));
  EXPECT_NE(young.jid(), "romeo@home.example/orchard");
  EXPECT_EQ(Redis({"HLEN", kRomeoKey}), "2");
}

TEST_F(SessionsTest, ResourcesAreLimited) {
  Configure(1, {"router.max_resources_per_account=2"});
  Login("romeo@home.example/a");
  Login("romeo@home.example/b");
  EXPECT_EQ(Bind(edge(), "c", session::v1::CONFLICT_REPLACE_OLD).bound().condition(), "resource-constraint");
  EXPECT_EQ(Bind(edge(), "b", session::v1::CONFLICT_REPLACE_OLD).jid(), "romeo@home.example/b");
}

TEST_F(SessionsTest, NothingIsLeftOfASessionInRedis) {
  Client& romeo = Online("romeo@home.example/orchard");
  romeo.Close();
  Settle();
  const std::string index = "parley:n:c2s-1/" + edge().epoch();
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey, index}) == "0"; });
}

TEST_F(SessionsTest, AGhostIsEndedAndTheMessageHandledAsForAnAbsentResource) {
  roster_->Befriend("romeo@home.example", "benvolio@home.example", Subscription::kBoth);
  Client& benvolio = Online("benvolio@home.example/street");
  Client& ghost = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  benvolio.Take();
  edge().Lose(ghost);
  Chat(juliet, "romeo@home.example", "1");
  Chat(juliet, "romeo@home.example", "2");
  EXPECT_THAT(Received(benvolio), ElementsAre(HasSubstr("type='unavailable'")));
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 2);
  EXPECT_EQ(Redis({"EXISTS", kRomeoKey}), "0");
  Client& back = Login("romeo@home.example/orchard");
  back.Send("<presence/>");
  const auto received = Received(back);
  std::vector<std::string> ids;
  for (const auto& stanza : received) {
    if (stanza.starts_with("<message")) ids.push_back(Attr(stanza, "id"));
  }
  EXPECT_THAT(ids, ElementsAre("1", "2"));
}

TEST_F(SessionsTest, ADeadEdgeIsReaped) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& dying = AddEdge("c2s-2");
  Client& juliet = Online("juliet@home.example/balcony");
  Online(dying, "romeo@home.example/orchard");
  Online(dying, "romeo@home.example/street");
  const std::string index = "parley:n:c2s-2/" + dying.epoch();
  juliet.Take();
  KillEdge(dying);
  Chat(juliet, "romeo@home.example", "1");  // waits for the edge to come back
  RunUntil([&] { return juliet.received().size() == 2; });
  EXPECT_THAT(juliet.received(), ::testing::Each(HasSubstr("type='unavailable'")));
  RunUntil([&] {
    return Redis({"EXISTS", kRomeoKey, index}) == "0" && Redis({"SISMEMBER", "parley:n", index.substr(9)}) == "0";
  });
  Settle();
  EXPECT_THAT(juliet.received(), SizeIs(2));  // once each
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

// It may have nobody any more to whom to send their ends.
TEST_F(SessionsTest, ARouterThatStopsLeavesDeadEdgesToTheNext) {
  Start();
  Edge& dying = AddEdge("c2s-2");
  Client& juliet = Online("juliet@home.example/balcony");
  Online(dying, "romeo@home.example/orchard");
  Online(dying, "tybalt@home.example/street");
  const std::string index = "parley:n:c2s-2/" + dying.epoch();
  KillEdge(dying);
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return Metric("parley_router_parked") == 1; });
  bool done = false;
  DrainRouter(0, [&] { done = true; });
  RunUntil([&] { return done; });  // not before the edge is known to be dead, as the message waits for it
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  EXPECT_EQ(Redis({"EXISTS", index}), "1");
}

// RFC 6120 8.2.3: what a dead edge noted of requests without answer (libs/session/asked.h).
class NotedRequestsTest : public SessionsTest {
 protected:
  void SetUp() override {
    SessionsTest::SetUp();
    Start();
    dying_ = &AddEdge("c2s-2");
    juliet_ = &Online("juliet@home.example/balcony");
    romeo_ = &Online(*dying_, "romeo@home.example/orchard");
    key_ = session::AskedKey("romeo@home.example", romeo_->id());
    juliet_->Take();
  }
  void Ask(const std::string& id) {
    juliet_->Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  // As the edge does.
  void Note(const std::string& id) {
    session::v1::Asked asked;
    asked.set_id(id);
    asked.set_from(juliet_->jid());
    asked.set_origin(juliet_->id());
    asked.set_origin_seq(juliet_->sent());
    Redis({"HSET", key_, id, asked.SerializeAsString()});
  }
  void ExpectBounced(const std::vector<std::string>& ids) {
    RunUntil([&] { return juliet_->received().size() >= ids.size(); });
    Settle();
    std::vector<std::string> bounced;
    for (const auto& stanza : juliet_->Take()) {
      EXPECT_THAT(stanza, AllOf(HasSubstr("<iq type='error'"), HasSubstr("service-unavailable")));
      EXPECT_EQ(Attr(stanza, "from"), "romeo@home.example/orchard");
      bounced.push_back(Attr(stanza, "id"));
    }
    EXPECT_EQ(bounced, ids);
    RunUntil([&] { return Redis({"EXISTS", key_}) == "0"; });
  }

  Edge* dying_ = nullptr;
  Client* juliet_ = nullptr;
  Client* romeo_ = nullptr;
  std::string key_;
};

TEST_F(NotedRequestsTest, AreAnsweredWhenTheirEdgeIsDead) {
  for (const std::string id : {"1", "2", "10"}) {
    Ask(id);
    Note(id);
  }
  Settle();
  KillEdge(*dying_);
  ExpectBounced({"1", "2", "10"});
}

TEST_F(NotedRequestsTest, AreAnsweredWhenAnotherSessionTakesTheResource) {
  Ask("1");
  Note("1");
  Settle();
  KillEdge(*dying_);
  Client& again = Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD);
  ExpectBounced({"1"});
  EXPECT_THAT(again.received(), IsEmpty());
}

TEST_F(NotedRequestsTest, AreAnsweredOnceIfTheEdgeHadNotSaidThatItTookThem) {
  dying_->SetHolding(true);
  for (const std::string id : {"1", "2"}) {
    Ask(id);
    if (id == "1") Note(id);
  }
  RunUntil([&] { return romeo_->received().size() == 2; });
  KillEdge(*dying_);
  ExpectBounced({"1", "2"});
}

// Its client's answer may have arrived, or not.
TEST_F(NotedRequestsTest, AnAnswerThatMayHaveArrivedIsGivenOnce) {
  for (const std::string id : {"1", "2"}) {
    Ask(id);
    Note(id);
  }
  Settle();
  romeo_->Send("<iq type='result' to='juliet@home.example/balcony' id='1'/>");
  Redis({"HSET", key_, "a1", std::to_string(romeo_->sent())});
  Redis({"HSET", key_, "a2", std::to_string(romeo_->sent() + 1)});
  Settle();
  EXPECT_THAT(juliet_->Take(), ElementsAre(HasSubstr("result")));
  KillEdge(*dying_);
  ExpectBounced({"2"});
  EXPECT_EQ(edge().repeats(), 1);
}

// Its edge is alive, and has what the session was sent last. Then the home asks Redis for them, which stands still.
TEST_F(NotedRequestsTest, AreAnsweredIfRedisGaveThemTooLate) {
  dying_->SetHolding(true);
  Ask("1");
  RunUntil([&] { return romeo_->received().size() == 1; });
  Note("1");
  edge().Bind("romeo@home.example", "orchard");
  RunUntil([&] { return !romeo_->disconnected().empty(); });
  redis_.Pause();
  dying_->SetHolding(false);
  RunUntil([&] { return !Missing().empty(); });
  redis_.Resume();
  ExpectBounced({"1"});
  RunUntil([&] { return Redis({"KEYS", "parley:a:*"}).empty(); });
}

TEST_F(NotedRequestsTest, AreAnsweredOfAGhost) {
  Note("1");
  dying_->Lose(*romeo_);
  juliet_->Send("<iq type='result' to='romeo@home.example/orchard' id='any'/>");
  ExpectBounced({"1"});
}

// It has answered for its client, whatever its word for the end is.
TEST_F(NotedRequestsTest, AreNotAnsweredWhenTheirEdgeSaysThatTheSessionIsOver) {
  for (const std::string reason : {"closed", "lost", "timeout"}) {
    Client& street = Online(*dying_, "romeo@home.example/street");
    key_ = session::AskedKey("romeo@home.example", street.id());
    Note("1");
    street.Close(reason);
    Settle();
    EXPECT_THAT(juliet_->Take(), IsEmpty()) << reason;
  }
}

TEST_F(SessionsTest, ABindWaitsForTheEndOfTheResourcesLastSession) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Online(slow, "juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  Client& other = Online("romeo@home.example/street");
  // Its record stays until juliet was told.
  slow.SetHolding(true);
  old.Close();
  RunUntil([&] { return Metric("parley_router_sessions_ended_total") == 1; });
  Client& young = edge().Bind("romeo@home.example", "orchard", session::v1::CONFLICT_REFUSE_NEW);
  RunUntil([&] { return Metric("parley_router_bind_retries_total") >= 3; });
  // The account's other session does not wait meanwhile.
  Chat(other, "romeo@home.example/street", "1");
  RunUntil([&] { return !other.received().empty(); });
  EXPECT_FALSE(edge().answered(young));
  slow.SetHolding(false);
  RunUntil([&] { return edge().answered(young); });
  EXPECT_EQ(young.jid(), "romeo@home.example/orchard") << young.bound().condition();
}

TEST_F(SessionsTest, ABindThatWaitedTooLongIsToldToTryLater) {
  Configure(1, {"router.bind_timeout=50ms"});
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Online(slow, "juliet@home.example/balcony");
  Client& old = Online("romeo@home.example/orchard");
  slow.SetHolding(true);
  old.Close();
  RunUntil([&] { return Metric("parley_router_sessions_ended_total") == 1; });
  EXPECT_EQ(Bind(edge(), "orchard", session::v1::CONFLICT_REPLACE_OLD).bound().condition(), "resource-constraint");
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"bind_timeout\"}"), 1);
  slow.SetHolding(false);
}

TEST_F(SessionsTest, DeadSessionsOfBeforeAreFoundByARouterThatStarts) {
  Start();
  Edge& dying = AddEdge("c2s-2");
  Online(dying, "romeo@home.example/orchard");
  KillRouter(0);
  KillEdge(dying);
  StartRouter(0);
  RunUntil([&] { return edge().ready(); });
  Client& juliet = Online("juliet@home.example/balcony");
  // It is noticed when somebody looks.
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return Redis({"EXISTS", kRomeoKey}) == "0"; });
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

// Its router dies when it has told the contacts and cannot know that yet: who ends it then tells them again.
TEST_F(SessionsTest, ContactsSeeOnceThatItIsGoneThoughItsRouterDied) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Start();
  Edge& slow = AddEdge("c2s-2");
  Client& juliet = Online(slow, "juliet@home.example/balcony");
  Client& romeo = Online("romeo@home.example/orchard");
  Settle();
  juliet.Take();
  slow.SetHolding(true);
  romeo.Close();
  RunUntil([&] { return !juliet.received().empty(); });
  KillRouter(0);
  slow.SetHolding(false);
  StartRouter(0);
  RunUntil([&] { return edge().ready() && slow.ready() && Redis({"EXISTS", kRomeoKey}) == "0"; });
  Settle();
  EXPECT_THAT(juliet.Take(), SizeIs(1));
  EXPECT_EQ(slow.repeats(), 1);
}

TEST_F(SessionsTest, StanzasOfADeadRouterAreHandledByTheNext) {
  Configure(2);
  Start();
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  for (int i = 0; i < 100; ++i) Chat(romeo, "juliet@home.example", std::to_string(i));
  KillRouter(0);
  for (int i = 100; i < 200; ++i) Chat(romeo, "juliet@home.example", std::to_string(i));
  const auto received = Received(juliet);
  ASSERT_THAT(received, SizeIs(200));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Attr(received[static_cast<std::size_t>(i)], "id"), std::to_string(i));
  EXPECT_EQ(roster_->offline_count("juliet@home.example"), 0);
}

TEST_F(SessionsTest, AFirstPresenceBehindTheRosterIsWrittenWithIt) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  AskForRoster(romeo);
  romeo.Send("<presence><priority>5</priority></presence>");
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("romeo@home.example/orchard")));
  const auto received = romeo.Take();
  ASSERT_THAT(received, SizeIs(3));  // the roster, the own presence, and hers
  EXPECT_EQ(Attr(received[0], "id"), "roster");
  EXPECT_EQ(Attr(received[1], "from"), "romeo@home.example/orchard");
  EXPECT_EQ(Attr(received[2], "from"), "juliet@home.example/balcony");
  const auto record = RecordInRedis();
  EXPECT_TRUE(record.interested());
  EXPECT_EQ(record.priority(), 5);
  EXPECT_EQ(record.revision(), 2u);  // bound, and once more
  romeo.Send("<presence><priority>5</priority></presence>");
  EXPECT_THAT(Received(juliet), SizeIs(1));
  EXPECT_EQ(RecordInRedis().revision(), 2u) << "nothing has changed";
}

TEST_F(SessionsTest, OnlyAFirstPresenceOfTheSameSessionIsWrittenAhead) {
  Client& orchard = Login("romeo@home.example/orchard");
  Client& street = Login("romeo@home.example/street");
  AskForRoster(orchard);
  street.Send("<presence/>");
  Settle();
  EXPECT_EQ(RecordInRedis().presence(), "");
  orchard.Take();
  orchard.Send("<presence><priority>high</priority></presence>");
  EXPECT_THAT(Received(orchard), ElementsAre(HasSubstr("bad-request")));
  AskForRoster(street);
  street.Send("<presence><priority>high</priority></presence>");
  EXPECT_THAT(Received(street), Contains(HasSubstr("bad-request")));
}

// The router had written it and died before it told anybody.
TEST_F(SessionsTest, AFirstPresenceWrittenAheadIsToldByTheNextRouter) {
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  Client& juliet = Online("juliet@home.example/balcony");
  Client& romeo = Login("romeo@home.example/orchard");
  const std::string address = "127.0.0.1:" + std::to_string(roster_->port());
  roster_.reset();  // so the router does not come to it
  AskForRoster(romeo);
  romeo.Send("<presence/>");
  RunUntil([&] { return Metric("parley_router_mailbox") > 0; });
  auto record = RecordInRedis();
  record.set_interested(true);
  record.set_presence(edge().last().stanza());
  WriteAsAnotherRouter(record);
  KillRouter(0);
  roster_ = std::make_unique<testing::MemoryRoster>(loop_, address);
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  StartRouter(0);
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("romeo@home.example/orchard")));
  EXPECT_THAT(romeo.Take(), SizeIs(3));
}

TEST_F(SessionsTest, HomesOnDifferentRoutersTalk) {
  Configure(3);
  roster_->Befriend("romeo@home.example", "juliet@home.example", Subscription::kBoth);
  roster_->Befriend("romeo@home.example", "benvolio@home.example", Subscription::kBoth);
  Start();
  Client& juliet = Online("juliet@home.example/balcony");
  Client& benvolio = Online("benvolio@home.example/street");
  Client& romeo = Login("romeo@home.example/orchard");
  romeo.Send("<presence/>");
  EXPECT_THAT(Received(romeo), SizeIs(3));
  EXPECT_THAT(juliet.Take(), SizeIs(1));
  EXPECT_THAT(benvolio.Take(), SizeIs(1));
  juliet.Send("<iq to='benvolio@home.example' type='get' id='1'><x xmlns='urn:x'/></iq>");
  EXPECT_THAT(Received(juliet), ElementsAre(HasSubstr("service-unavailable")));
}

TEST_F(SessionsTest, AnEdgeThatComesBackGetsWhatWaited) {
  Client& juliet = Online("juliet@home.example/balcony");
  Edge& away = AddEdge("c2s-2");
  Client& romeo = Online(away, "romeo@home.example/orchard");
  away.Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Chat(juliet, "romeo@home.example", "1");
  Chat(juliet, "romeo@home.example", "2");
  away.Reconnect();
  const auto received = Received(romeo);
  ASSERT_THAT(received, SizeIs(2));
  EXPECT_EQ(Attr(received[0], "id"), "1");
  EXPECT_EQ(Attr(received[1], "id"), "2");
}

TEST_F(SessionsTest, ALiveEdgeThatTakesNothingTimesOut) {
  Configure(1, {"router.edge_timeout=300ms"});
  Client& juliet = Online("juliet@home.example/balcony");
  Edge& away = AddEdge("c2s-2");
  Online(away, "romeo@home.example/orchard");
  away.Disconnect();
  Chat(juliet, "romeo@home.example", "1");
  RunUntil([&] { return !juliet.received().empty(); });
  EXPECT_THAT(juliet.Take(), ElementsAre(HasSubstr("remote-server-timeout")));
}

}  // namespace
}  // namespace parley::router

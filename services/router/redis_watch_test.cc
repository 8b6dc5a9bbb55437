// A router that Redis does not answer, while it answers others.
#include <algorithm>

#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class RedisWatchTest : public testing::ManagedTest {
 protected:
  void ConfigureWatched(int routers) { Watch(routers, {"router.redis_patience=200ms", "router.redis_return=400ms"}); }
  // No edge dies here: their leases outlive it if the test itself stands still.
  void Watch(int routers, std::vector<std::string> settings) {
    settings.emplace_back("c2s.lease_ttl=1m");
    Configure(routers, std::move(settings));
  }
  // Who leaves asks one that has had Redis for long enough.
  void LetLeaveAndComeBack(std::size_t router) {
    CutFromRedis(router);
    RunUntil([&] { return Away() == 1; });
    JoinToRedis(router);
    RunUntil([&] { return Away() == 0; });
  }
  double Away() const { return Metric("parley_router_away"); }
  // Of all routers together.
  double ReturnDelays() const { return Metric("parley_router_return_delay_seconds"); }
  double Departures() const { return Metric("parley_router_departures_total"); }
  static std::string Account(int number) { return "user" + std::to_string(number) + "@home.example"; }
  // Of many, so that each router is home to some.
  void ExpectAllCanBind(const std::string& resource) {
    std::vector<Client*> clients;
    for (int i = 0; i < kAccounts; ++i) clients.push_back(&edge().Bind(Account(i), resource));
    for (Client* client : clients) {
      RunUntil([&] { return edge().answered(*client); });
      EXPECT_THAT(client->bound().jid(), HasSubstr(resource));
    }
  }
  std::vector<std::string> Homes() {
    std::vector<std::string> homes;
    for (int i = 0; i < kAccounts; ++i) homes.push_back(edge().HomeOf(Account(i)));
    return homes;
  }
  // It is decided what to do without Redis, when this is settled.
  void ExpectPresenceIsSettled(Client& client) {
    client.Send("<presence><show>xa</show></presence>");
    Settle();
  }
  // Ids of its presences among these, in order.
  static std::string PresencesOf(const Client& client, const std::vector<std::string>& stanzas) {
    std::string ids;
    for (const auto& stanza : stanzas) {
      if (Attr(stanza, "from") == client.jid()) ids += Attr(stanza, "id");
    }
    return ids;
  }
  // What Romeo's session says.
  void WriteAsAnother(const std::string& presence) {
    auto record = RecordOf();
    record.set_presence(presence);
    record.set_revision(record.revision() + 1);
    const std::string stamp = record.session() + " " + std::to_string(record.revision()) + "\n";
    Redis({"HSET", "parley:s:{romeo@home.example}", record.resource(), stamp + record.SerializeAsString()});
  }
  static constexpr int kAccounts = 16;
  static constexpr char kPresencesTaken[] = "parley_router_stanzas_total{kind=\"presence\",leg=\"outbound\"}";
  std::vector<Client*> AllOnline() {
    std::vector<Client*> clients;
    for (int i = 0; i < kAccounts; ++i) clients.push_back(&Online(Account(i) + "/one"));
    return clients;
  }
};

TEST_F(RedisWatchTest, OthersServeTheAccountsOfARouterThatAloneHasLostRedis) {
  ConfigureWatched(2);
  Begin();
  ExpectAllCanBind("one");
  CutFromRedis(0);
  RunUntil([&] { return Away() == 1; });
  EXPECT_THAT(Missing(0), HasSubstr("left the ring"));
  ExpectAllCanBind("two");
  JoinToRedis(0);
  RunUntil([&] { return Away() == 0; });
  EXPECT_EQ(Missing(0), "");
  ExpectAllCanBind("three");
  CutFromRedis(1);
  RunUntil([&] { return Departures() == 2; });
  ExpectAllCanBind("four");
}

TEST_F(RedisWatchTest, WhatIsUnderWayComesOnceAndInOrder) {
  ConfigureWatched(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  int number = 0;
  for (const std::size_t router : {0, 1}) {
    for (int i = 0; i < 20; ++i) Chat(++number);
    CutFromRedis(router);
    const double before = Departures();
    RunUntil([&] {
      Chat(++number);
      return Departures() > before;
    });
    for (int i = 0; i < 20; ++i) Chat(++number);
    JoinToRedis(router);
    RunUntil([&] {
      Chat(++number);
      return Away() == 0;
    });
  }
  ExpectIds(romeo, Numbers(1, number + 1));
}

TEST_F(RedisWatchTest, ASessionIsResumedThoughItsHomeHasLostRedis) {
  ConfigureWatched(2);
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  LetLeaveAndComeBack(1);
  for (const std::size_t router : {0, 1}) {
    CutFromRedis(router);
    Client& resumed = Resumed(router == 0 ? second() : first(), romeo);
    EXPECT_EQ(resumed.resumed().jid(), kOrchard) << router << resumed.resumed().ShortDebugString();
    JoinToRedis(router);
    RunUntil([&] { return Away() == 0; });
  }
}

// Nobody is refused meanwhile.
TEST_F(RedisWatchTest, AResourceIsBoundThoughItsHomeHasLostRedis) {
  ConfigureWatched(2);
  Begin();
  ExpectAllCanBind("one");
  LetLeaveAndComeBack(1);
  for (const std::size_t router : {0, 1}) {
    CutFromRedis(router);
    ExpectAllCanBind("two" + std::to_string(router));
    EXPECT_EQ(Away(), 1);
    JoinToRedis(router);
    RunUntil([&] { return Away() == 0; });
  }
}

// Were it told that its presence is known, the router that takes over would not know of it.
TEST_F(RedisWatchTest, WhatIsSaidBeforeARouterLeavesIsKnownToTheNext) {
  ConfigureWatched(2);
  Begin();
  Client& benvolio = Online("benvolio@home.example/square");  // no contact's home holds back what he is told
  LetLeaveAndComeBack(1);
  for (const std::size_t router : {0, 1}) {
    const std::string status = "cut" + std::to_string(router);
    CutFromRedis(router);
    benvolio.Send("<presence><status>" + status + "</status></presence>");
    RunUntil([&] { return Away() == 1; });
    Settle();
    EXPECT_THAT(Redis({"HVALS", "parley:s:{benvolio@home.example}"}), HasSubstr(status));
    JoinToRedis(router);
    RunUntil([&] { return Away() == 0; });
  }
}

// Who leaves drops what it was about to write, and must not go on with what came behind that.
TEST_F(RedisWatchTest, PresenceKeepsItsOrderWhenARouterLeaves) {
  ConfigureWatched(2);
  for (int i = 0; i < kAccounts; ++i) roster_->Befriend(Account(i), "juliet@home.example", xmpp::Subscription::kFrom);
  Begin();
  const std::vector<Client*> clients = AllOnline();
  LetLeaveAndComeBack(1);
  for (const std::size_t router : {0, 1}) {
    juliet().Take();
    CutFromRedis(router);
    for (Client* client : clients) {
      client->Send("<presence id='1'/>");
      client->Send("<presence id='2' to='juliet@home.example'/>");
      client->Send("<presence id='3'/>");
    }
    RunUntil([&] { return Away() == 1; });
    const auto received = Received(juliet());
    for (Client* client : clients) EXPECT_EQ(PresencesOf(*client, received), "123") << client->jid();
    JoinToRedis(router);
    RunUntil([&] { return Away() == 0; });
  }
}

// The router that takes over has it, too, and nobody is told that it could not be delivered.
TEST_F(RedisWatchTest, WhatWaitsForRedisIsNotGivenUpByARouterThatHasLeft) {
  Watch(2, {"router.redis_patience=200ms", "router.redis_return=400ms", "router.delivery_timeout=3s"});
  for (int i = 0; i < kAccounts; ++i) roster_->AddAccount(Account(i));
  Begin();
  LetLeaveAndComeBack(1);
  juliet().Take();
  CutFromRedis(0);
  for (int i = 0; i < kAccounts; ++i) Chat(i, Account(i));  // not in memory
  RunUntil([&] { return Away() == 1; });
  EXPECT_THAT(Received(juliet()), Each(Not(HasSubstr("type='error'"))));
  for (int i = 0; i < kAccounts; ++i) EXPECT_EQ(roster_->offline_count(Account(i)), 1u);
}

// What could not be written when nobody had Redis is older than what another router wrote after we had left.
TEST_F(RedisWatchTest, WhatWasNotWrittenDoesNotReplaceWhatOthersWroteSince) {
  ConfigureWatched(2);
  Begin();
  const std::vector<Client*> clients = AllOnline();
  const auto homes = Homes();
  CutFromRedis(0);
  CutFromRedis(1);
  for (Client* client : clients) client->Send("<presence><status>unwritten</status></presence>");
  Settle();
  JoinToRedis(1);
  RunUntil([&] { return Away() == 1; });
  for (int i = 0; i < kAccounts; i += 2) clients[i]->Send("<presence><status>since</status></presence>");
  Settle();
  JoinToRedis(0);
  RunUntil([&] { return Homes() == homes; });
  ExpectAllCanBind("two");  // so that each is read again
  for (int i = 0; i < kAccounts; ++i) {
    const std::string record = Redis({"HGET", "parley:s:{" + Account(i) + "}", "one"});
    EXPECT_THAT(record, HasSubstr(i % 2 == 0 ? "since" : "unwritten")) << Account(i);
  }
}

// So is what waited when we left.
TEST_F(RedisWatchTest, WhatWaitedDoesNotReplaceWhatOthersWroteSince) {
  ConfigureWatched(2);
  Begin();
  const std::vector<Client*> clients = AllOnline();
  const auto homes = Homes();
  LetLeaveAndComeBack(1);
  RunUntil([&] { return Homes() == homes; });
  CutFromRedis(0);
  roster_->SetHolding(true, "get_roster");
  for (int i = 0; i < kAccounts; ++i) {
    clients[i]->Send(i % 2 == 0 ? "<presence type='unavailable'/>" : "<presence><status>first</status></presence>");
    clients[i]->Send("<presence><status>waiting</status></presence>");
  }
  RunUntil([&] { return Away() == 1; });
  for (Client* client : clients) client->Send("<presence><status>since</status></presence>");
  roster_->SetHolding(false);
  Settle();
  JoinToRedis(0);
  RunUntil([&] { return Homes() == homes; });
  ExpectAllCanBind("two");  // so that each is read again
  for (int i = 0; i < kAccounts; ++i) {
    EXPECT_THAT(Redis({"HGET", "parley:s:{" + Account(i) + "}", "one"}), HasSubstr("since")) << Account(i);
  }
}

// Two routers do the same thing then.
TEST_F(RedisWatchTest, WhatARouterThatHasLeftSendsYetIsMarkedAsARepeat) {
  ConfigureWatched(2);
  Begin();
  const std::vector<Client*> clients = AllOnline();
  const auto homes = Homes();
  LetLeaveAndComeBack(1);
  RunUntil([&] { return Homes() == homes; });
  juliet().Take();
  const int doubtful = edge().doubtful();
  CutFromRedis(0);
  for (Client* client : clients) client->Send("<presence to='juliet@home.example' id='1'/>");
  RunUntil([&] { return Away() == 1; });
  const auto received = Received(juliet());
  for (Client* client : clients) EXPECT_EQ(PresencesOf(*client, received), "1") << client->jid();
  EXPECT_GE(edge().doubtful() - doubtful, std::count(homes.begin(), homes.end(), "router-1"));
}

// The link of the sender breaks while its presence waits to be written; it goes on by way of another router.
TEST_F(RedisWatchTest, PresenceThatWasSentAgainElsewhereDoesNotReplaceWhatIsNewer) {
  Watch(1, {"router.redis_patience=10m"});
  Begin();
  for (const std::string type : {"", " type='unavailable'"}) {
    Client& romeo = Online(second(), kOrchard);
    CutFromRedis(0);
    RunUntil([&] { return !Missing().empty(); });
    const double before = Metric(kPresencesTaken);
    romeo.Send("<presence id='older'" + type + "/>");
    RunUntil([&] { return Metric(kPresencesTaken) > before; });
    second().Disconnect();
    RunUntil([&] { return !HasEdge(second().instance()); });
    const std::string newer = "<presence from='" + romeo.jid() + "' id='newer'/>";
    WriteAsAnother(newer);
    juliet().Take();
    JoinToRedis(0);
    RunUntil([&] { return Missing().empty(); });
    second().Reconnect();
    RunUntil([&] { return HasEdge(second().instance()); });
    const auto received = Received(juliet());
    const bool told = !type.empty();  // that somebody goes is told before it is written
    EXPECT_TRUE(told || PresencesOf(romeo, received).empty());
    EXPECT_EQ(RecordOf().presence(), newer);
  }
}

// Each return makes everybody link again.
TEST_F(RedisWatchTest, WhoLeavesAgainAndAgainComesBackLater) {
  Watch(2, {"router.redis_patience=200ms", "router.redis_return=200ms", "router.redis_return_max=2s"});
  Begin();
  for (const auto delay : {200ms, 400ms, 800ms}) {
    CutFromRedis(0);
    RunUntil([&] { return Away() == 1; });
    EXPECT_DOUBLE_EQ(ReturnDelays(), std::chrono::duration<double>(delay + 200ms).count());
    const auto before = std::chrono::steady_clock::now();
    JoinToRedis(0);
    RunUntil([&] { return Away() == 0; });
    EXPECT_GE(std::chrono::steady_clock::now() - before, delay);
  }
  RunUntil([&] { return ReturnDelays() < 0.5; });  // it was well for long
}

// It will never be clear whether it leaves.
TEST_F(RedisWatchTest, WhatWaitsGoesOnWhenTheRouterStops) {
  Watch(1, {"router.redis_patience=10m"});
  Client& benvolio = Online("benvolio@home.example/square");  // nobody else is to be told
  CutFromRedis(0);
  RunUntil([&] { return !Missing().empty(); });
  const double before = Metric(kPresencesTaken);
  benvolio.Send("<presence><show>xa</show></presence>");
  RunUntil([&] { return Metric(kPresencesTaken) > before; });
  DrainRouter(0);
  Settle();
}

TEST_F(RedisWatchTest, NobodyLeavesIfNobodyHasRedis) {
  ConfigureWatched(2);
  Begin();
  LetLeaveAndComeBack(0);
  CutFromRedis(0);
  CutFromRedis(1);
  ExpectPresenceIsSettled(juliet());
  EXPECT_EQ(Departures(), 1);  // the first
}

TEST_F(RedisWatchTest, WhoLosesRedisWhenAnotherHasLeftStays) {
  ConfigureWatched(2);
  Begin();
  CutFromRedis(0);
  RunUntil([&] { return Away() == 1; });
  ExpectPresenceIsSettled(juliet());
  CutFromRedis(1);
  ExpectPresenceIsSettled(juliet());
  EXPECT_EQ(Departures(), 1);
  JoinToRedis(0);
  JoinToRedis(1);
  RunUntil([&] { return Away() == 0; });
  ExpectAllCanBind("again");
}

TEST_F(RedisWatchTest, TheOnlyRouterStays) {
  ConfigureWatched(1);
  Begin();
  CutFromRedis(0);
  ExpectPresenceIsSettled(juliet());
  EXPECT_EQ(Departures(), 0);
}

}  // namespace
}  // namespace parley::router

// What a client acknowledged before its session ended, and what its sender, which was not told, sends again.
#include "services/router/acknowledged.h"

#include "libs/session/acknowledged.h"
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRomeo[] = "romeo@home.example";
constexpr char kKey[] = "parley:k:{romeo@home.example}";

class AcknowledgedTest : public testing::ManagedTest {
 protected:
  using Sent = std::unique_ptr<rpc::Envelope>;
  Sent Last() { return std::make_unique<rpc::Envelope>(edge().last()); }
  // Has acknowledged messages 1 to `count`, the last of which is returned.
  Sent Acknowledge(Client& romeo, int count = 1) {
    for (int i = 1; i <= count; ++i) Chat(i);
    Sent last = Last();
    ExpectIds(romeo, Numbers(1, count + 1));
    first().Acknowledge(romeo, static_cast<std::uint64_t>(count));
    return last;
  }
  // And has logged out, which Redis knows.
  void LogOut(Client& client) {
    client.Close();
    RunUntil([&] { return RedisIsClean(); });
    Settle();
  }
  void RestartRouter() {
    KillRouter(0);
    StartRouter(0);
    RunUntil([&] { return HasEdge("c2s-1") && HasEdge("c2s-2") && HasEdge("c2s-3"); });
  }
  std::size_t Stored() { return roster_->offline_count(kRomeo); }
  double Recognised() const { return Metric("parley_router_acknowledged_again_total"); }
  // Nothing becomes of it, and its sender hears nothing.
  void ExpectKnown(Sent again) {
    const double before = Recognised();
    juliet().Take();
    edge().SendAgain(std::move(again));
    RunUntil([&] { return Recognised() == before + 1; });
    Settle();
    EXPECT_EQ(Stored(), 0u);
    EXPECT_THAT(juliet().Take(), IsEmpty());
  }
  void ExpectStored(Sent again) {
    edge().SendAgain(std::move(again));
    RunUntil([&] { return Stored() == 1; });
    EXPECT_EQ(Recognised(), 0);
  }
};

// Its sender's edge was killed.
TEST_F(AcknowledgedTest, IsNotStored) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  LogOut(romeo);
  ExpectKnown(std::move(again));
}

TEST_F(AcknowledgedTest, IsKnownToTheNextHome) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo, 3);
  LogOut(romeo);
  RestartRouter();
  ExpectKnown(std::move(again));
}

// The router died in the middle of it.
TEST_F(AcknowledgedTest, IsKnownToWhoGoesOnWithTheEnd) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  roster_->SetHolding(true);
  romeo.Close();
  RunUntil([&] { return roster_->held() > 0; });
  EXPECT_EQ(Redis({"EXISTS", kKey}), "0");
  KillRouter(0);
  roster_->SetHolding(false);
  StartRouter(0);
  edge().SendAgain(std::move(again));
  RunUntil([&] { return Recognised() == 1; });
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"2"}));
  EXPECT_EQ(Redis({"LLEN", kKey}), "1");
}

// While it tells others of it, its own account is read anew.
TEST_F(AcknowledgedTest, IsKnownBeforeTheEndIsOver) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  roster_->SetHolding(true);
  romeo.Close();
  RunUntil([&] { return roster_->held() > 0; });
  Redis({"HSET", "parley:s:{romeo@home.example}", "", ""});  // as a change of the roster
  Redis({"HDEL", "parley:s:{romeo@home.example}", ""});
  RunUntil([&] { return Metric("parley_router_accounts_invalidated_total") > 0; });
  edge().SendAgain(std::move(again));
  RunUntil([&] { return Recognised() == 1; });
  roster_->SetHolding(false);
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"2"}));
}

// The router died before it was told: what is sent again may come before that, or behind it.
TEST_F(AcknowledgedTest, IsKnownIfTheNextHomeIsToldOfTheEndFirst) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  KillRouter(0);
  romeo.Close();
  StartRouter(0);
  RunUntil([&] { return RedisIsClean(); });
  ExpectKnown(std::move(again));
}

TEST_F(AcknowledgedTest, IsKnownIfTheNextHomeIsToldOfTheEndLater) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  KillRouter(0);
  first().Lose(romeo);
  StartRouter(0);
  RunUntil([&] { return HasEdge("c2s-1") && HasEdge("c2s-2"); });
  edge().SendAgain(std::move(again));
  Settle();
  EXPECT_EQ(QueueLength(romeo.queue()), "1");  // nothing but the header
  LogOut(romeo);
  EXPECT_EQ(Stored(), 0u);
}

TEST_F(AcknowledgedTest, DoesNotComeToAnotherResourceOrTheNextSession) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  other.Take();
  romeo.Close();
  RunUntil([&] { return Redis({"EXISTS", kKey}) == "1"; });
  auto once_more = std::make_unique<rpc::Envelope>(*again);
  ExpectKnown(std::move(again));
  Client& next = Online(first(), kOrchard);
  ExpectKnown(std::move(once_more));
  EXPECT_THAT(Ids(other.Take()), IsEmpty());
  EXPECT_THAT(Ids(next.Take()), IsEmpty());
}

TEST_F(AcknowledgedTest, OfAnOwnOtherResourceToo) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", -1);
  Client& romeo = Managed(first(), kOrchard, kLong, 5);
  other.Send("<message type='chat' to='romeo@home.example' id='own'><body>x</body></message>");
  auto again = std::make_unique<rpc::Envelope>(second().last());
  ExpectIds(romeo, {"own"});
  first().Acknowledge(romeo, 1);
  romeo.Close();
  RunUntil([&] { return Redis({"EXISTS", kKey}) == "1"; });
  second().SendAgain(std::move(again));
  RunUntil([&] { return Recognised() == 1; });
  EXPECT_EQ(Stored(), 0u);
}

TEST_F(AcknowledgedTest, IsKnownIfSomethingWasLookedUpBefore) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  auto once_more = std::make_unique<rpc::Envelope>(*again);
  edge().SendAgain(std::move(once_more));
  RunUntil([&] { return first().repeats() == 1; });
  EXPECT_EQ(Recognised(), 0);
  LogOut(romeo);
  ExpectKnown(std::move(again));
}

// It was answered as the session ended, by its edge or by us: a request is answered once (RFC 6120 8.2.3).
class RequestedTest : public AcknowledgedTest {
 protected:
  // Juliet's request, which this session of Romeo's got.
  Sent Ask(Client& romeo) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
    Sent request = Last();
    RunUntil([&] { return romeo.received().size() == 1; });
    return request;
  }
};

TEST_F(RequestedTest, IsNotAnsweredAgainIfItWasAcknowledged) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Ask(romeo);
  first().Acknowledge(romeo, 1);
  LogOut(romeo);
  ExpectKnown(std::move(again));
}

TEST_F(RequestedTest, DoesNotComeToTheNextSession) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Ask(romeo);
  first().Acknowledge(romeo, 1);
  LogOut(romeo);
  Client& next = Online(second(), kOrchard);
  ExpectKnown(std::move(again));
  EXPECT_THAT(next.Take(), IsEmpty());
}

TEST_F(RequestedTest, IsNotAnsweredAgainByTheNextHomeIfItWasNotAcknowledged) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Ask(romeo);
  LogOut(romeo);
  RestartRouter();
  ExpectKnown(std::move(again));
}

TEST_F(RequestedTest, IsAnsweredIfNobodyHadIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Ask(romeo);
  again->set_origin_seq(again->origin_seq() + 1);
  first().Acknowledge(romeo, 1);
  LogOut(romeo);
  juliet().Take();
  edge().SendAgain(std::move(again));
  EXPECT_THAT(Received(juliet()), ElementsAre(HasSubstr("service-unavailable")));
}

// The end of a session may be another router's doing.
TEST_F(AcknowledgedTest, WhatAnotherRouterWritesIsRead) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent known = Acknowledge(romeo, 2);
  LogOut(romeo);
  const std::string element = Redis({"LINDEX", kKey, "0"});
  session::v1::Acknowledged acknowledged;
  ASSERT_TRUE(acknowledged.ParseFromString(element));
  auto again = std::make_unique<rpc::Envelope>(*known);
  again->set_origin_seq(known->origin_seq() + 1);
  session::NoteAcknowledged(*acknowledged.mutable_seen(0), again->origin_seq(), 4);
  ExpectKnown(std::move(known));  // and now the router knows what there is
  CutFromRedis(0);                // and is not told what changes
  RunUntil([&] { return !Missing().empty(); });
  Redis({"RPUSH", kKey, "not a message of ours", acknowledged.SerializeAsString()});
  JoinToRedis(0);
  RunUntil([&] { return Missing().empty(); });
  ExpectKnown(std::move(again));
}

// A lower number need not have been that session's, and a new message is none that was sent again.

TEST_F(AcknowledgedTest, WhatWasNotAcknowledgedIsStored) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1, "mercutio@home.example");
  Sent lost = Last();  // as if it had been for Romeo, and had never come
  lost->set_to(kRomeo);
  Acknowledge(romeo, 2);
  LogOut(romeo);
  ExpectStored(std::move(lost));
}

TEST_F(AcknowledgedTest, WhatWasDeliveredAndNotAcknowledgedIsStoredOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Acknowledge(romeo, 2);
  Chat(3);
  Sent again = Last();
  ExpectIds(romeo, Numbers(1, 4));
  LogOut(romeo);
  edge().SendAgain(std::move(again));
  Settle();
  EXPECT_EQ(Recognised(), 0);
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"3"}));
}

TEST_F(AcknowledgedTest, ACopyIsNotTakenForKnown) {
  Begin();
  Client& other = Managed(second(), "romeo@home.example/street");
  Client& romeo = Managed(first(), kOrchard);
  Chat(1, kRomeo);
  Sent again = Last();
  ExpectIds(romeo, {"1"});
  ExpectIds(other, {"1"});
  first().Acknowledge(romeo, 1);
  romeo.Close();
  RunUntil([&] { return Redis({"HLEN", "parley:s:{romeo@home.example}"}) == "1"; });
  Settle();
  second().ForgetSeen();
  edge().SendAgain(std::move(again));
  ExpectIds(other, {"1", "1"});
  EXPECT_EQ(Recognised(), 0);
}

// The client of the other session was gone when its edge was killed.
TEST_F(AcknowledgedTest, ACopyIsNotOwedWhenAnotherSessionHadAcknowledgedItsOwn) {
  Begin();
  Client& other = Managed(second(), "romeo@home.example/street");
  Client& romeo = Managed(first(), kOrchard);
  for (int i = 1; i <= 3; ++i) Chat(i, kRomeo);
  ExpectIds(romeo, Numbers(1, 4));
  ExpectIds(other, Numbers(1, 4));
  first().Acknowledge(romeo, 1);
  romeo.Close();
  RunUntil([&] { return Redis({"HLEN", "parley:s:{romeo@home.example}"}) == "1"; });
  LogOut(other);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(2, 4));
}

// It waited for an edge that was killed.
TEST_F(AcknowledgedTest, ACopyThatComesBackIsNotOwedWhenAnotherSessionHadAcknowledgedItsOwn) {
  Begin();
  Online(second(), "romeo@home.example/street");
  Client& romeo = Managed(first(), kOrchard);
  second().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-3"); });
  Chat(1, kRomeo);
  RunUntil([&] { return Ids(romeo.received()) == Numbers(1, 2); });
  first().Acknowledge(romeo, 1);
  RunUntil([&] { return QueueLength(romeo.queue()) == "1"; });
  juliet().Take();
  romeo.Close();
  RunUntil([&] { return juliet().received().size() == 1; });  // he is unavailable
  KillEdge(second());
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(Stored(), 0u);
}

TEST_F(AcknowledgedTest, WhatIsNotMarkedAsSentAgainIsNotLookedUp) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Acknowledge(romeo);
  LogOut(romeo);
  Chat(2);
  RunUntil([&] { return Stored() == 1; });
  EXPECT_EQ(Recognised(), 0);
}

TEST_F(AcknowledgedTest, WithoutRedisASentAgainMessageIsHandledAsNew) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  Client& other = Online(second(), "romeo@home.example/street", 0);
  romeo.Close();
  RunUntil([&] { return Redis({"EXISTS", kKey}) == "1"; });
  Settle();
  other.Take();
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  again->set_to("romeo@home.example/street");
  edge().SendAgain(std::move(again));
  RunUntil([&] { return !Ids(other.received()).empty(); });
  redis_.Resume();
}

// What it costs.

TEST_F(AcknowledgedTest, WhoAcknowledgedNothingLeavesNothing) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  romeo.Send("<presence><show>away</show></presence>");
  Settle();
  LogOut(romeo);
  EXPECT_EQ(Redis({"EXISTS", kKey}), "0");
}

TEST_F(AcknowledgedTest, IsRememberedForAWhileAndOfTheLatestSessions) {
  Configure(1, {"router.sm_remember_ends=2", "router.sm_remember_acknowledged=100s"});
  Begin();
  std::vector<Sent> sent;
  for (int i = 1; i <= 3; ++i) {
    Client& romeo = Managed(first(), kOrchard);
    Chat(i);
    sent.push_back(Last());
    ExpectIds(romeo, Numbers(i, i + 1));
    first().Acknowledge(romeo, 1);
    LogOut(romeo);
  }
  EXPECT_EQ(Redis({"LLEN", kKey}), "2");
  const int left = std::stoi(Redis({"PTTL", kKey}));
  EXPECT_GT(left, 50'000);
  EXPECT_LE(left, 100'000);
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"sm_remember_ends\"}"), 1);
  ExpectKnown(std::move(sent[2]));
  ExpectKnown(std::move(sent[1]));
  edge().SendAgain(std::move(sent[0]));
  RunUntil([&] { return Stored() == 1; });
}

TEST_F(AcknowledgedTest, NothingIsRememberedIfSoConfigured) {
  Configure(1, {"router.sm_remember_ends=0"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Sent again = Acknowledge(romeo);
  LogOut(romeo);
  EXPECT_EQ(Redis({"EXISTS", kKey}), "0");
  ExpectStored(std::move(again));
}

}  // namespace
}  // namespace parley::router

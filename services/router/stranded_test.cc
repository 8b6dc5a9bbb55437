// Messages that wait for the edge of one session, which is cut off, while another one of the account becomes available.
#include <gmock/gmock.h>

#include <algorithm>

#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::Edge;
using testing::OrphansTest;

constexpr char kRomeo[] = "romeo@home.example";
constexpr char kGarden[] = "romeo@home.example/garden";
constexpr char kBalcony[] = "romeo@home.example/balcony";

class StrandedTest : public OrphansTest {
 protected:
  void CutOff(Edge& edge) {
    edge.Disconnect();
    RunUntil([&] { return !HasEdge(edge.instance()); });
  }
  // Romeo's first session, whose edge is cut off, with so many messages to the account that wait for it.
  Client& CutOffWith(int messages) {
    Begin();
    Client& romeo = Managed(first(), kOrchard);
    CutOff(first());
    for (int i = 1; i <= messages; ++i) Chat(i, kRomeo);
    RunUntil([&] { return parked() == messages; });
    return romeo;
  }
  void Return(Edge& edge) {
    edge.Reconnect();
    RunUntil([&] { return HasEdge(edge.instance()); });
    Settle();
  }
  // Not settled: something waits for the edge that is cut off.
  Client& Available(const std::string& jid, int priority = 0) {
    Client& client = Login(second(), jid);
    client.Send("<presence><priority>" + std::to_string(priority) + "</priority></presence>");
    return client;
  }
  Client& ManagedAndAvailable(const std::string& jid) {
    Client& client = Login(second(), jid);
    second().Enable(client, kLong);
    RunUntil([&] { return second().answered(client); });
    client.Send("<presence/>");
    return client;
  }
  // All that it got up to that message.
  void AcknowledgeUpTo(const std::string& message, Client& client) {
    const auto& all = client.received();
    const auto last = std::find_if(all.begin(), all.end(), [&](const auto& stanza) {
      return stanza.starts_with("<message") && testing::Attr(stanza, "id") == message;
    });
    const std::string length = QueueLength(client.queue());
    second().Acknowledge(client, static_cast<std::uint64_t>(last - all.begin()) + 1);
    RunUntil([&] { return QueueLength(client.queue()) != length; });
  }
  void ExpectSoFar(Client& client, const std::vector<std::string>& ids) {
    RunUntil([&] { return Ids(client.received()).size() >= ids.size(); });
    EXPECT_EQ(Ids(client.received()), ids);
  }
  double parked() const { return Metric("parley_router_parked"); }
};

TEST_F(StrandedTest, ComesBeforeWhatIsNewToWhoLogsInElsewhere) {
  Client& romeo = CutOffWith(2);
  Client& next = Available(kGarden);
  ExpectSoFar(next, {"1", "2"});
  Chat(3, kRomeo);
  ExpectSoFar(next, {"1", "2", "3"});
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(next.received()), Numbers(1, 4));
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 1));
  EXPECT_EQ(roster_->offline_count(kRomeo), 0);
}

TEST_F(StrandedTest, ComesToWhoIsThereAllTheSame) {
  Client& romeo = CutOffWith(2);
  Client& next = Available(kGarden);
  Chat(3, kRomeo);
  ExpectSoFar(next, {"1", "2", "3"});
  Return(first());
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 4));
  EXPECT_EQ(Ids(next.received()), Numbers(1, 4));
}

// The link to it stands yet. That its sender has said more to the other one since makes it no repeat.
TEST_F(StrandedTest, WhatIsOnItsWayToWhoIsJustCutOffIsWaitedFor) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(2, kRomeo);
  Client& next = Login(second(), kGarden);
  Chat(9, kGarden);
  ExpectSoFar(next, {"9"});
  next.Send("<presence/>");
  Chat(3, kRomeo);
  RunUntil([&] { return Metric("parley_router_mailbox") > 0; });
  first().Disconnect();
  ExpectSoFar(next, {"9", "1", "2", "3"});
  first().EndUnheard(romeo);
  first().SetFrozen(false);
  Return(first());
  EXPECT_EQ(Ids(next.received()), (std::vector<std::string>{"9", "1", "2", "3"}));
}

TEST_F(StrandedTest, WhoDoesNotAnswerIsNotWaitedForForLong) {
  Configure(1, {"link.keepalive=100ms", "link.keepalive_timeout=200ms", "router.handover_timeout=1m"});
  Begin();
  Managed(first(), kOrchard);
  first().SetHolding(true);
  Chat(1, kRomeo);
  Client& next = Available(kGarden);
  Chat(2, kRomeo);
  ExpectSoFar(next, {"2"});
  first().SetHolding(false);
  Settle();
  EXPECT_EQ(Ids(next.received()), Numbers(2, 3));
}

// That it had it shows in its queue.
TEST_F(StrandedTest, WhatItsEdgeHadTakenStaysWithTheSession) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetHolding(true);
  Chat(1, kRomeo);
  Chat(2, kRomeo);
  ExpectSoFar(romeo, {"1", "2"});
  first().Acknowledge(romeo, 1);
  RunUntil([&] { return LengthNow() == "2"; });
  CutOff(first());
  Chat(3, kRomeo);
  RunUntil([&] { return parked() >= 3; });
  Client& next = Available(kGarden);
  Chat(4, kRomeo);
  ExpectSoFar(next, {"3", "4"});
  first().SetHolding(false);
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(next.received()), (std::vector<std::string>{"3", "4", "2"}));
}

TEST_F(StrandedTest, WhatOneHasAcknowledgedComesToNoOther) {
  Client& romeo = CutOffWith(2);
  Client& next = ManagedAndAvailable(kGarden);
  ExpectSoFar(next, {"1", "2"});
  AcknowledgeUpTo("2", next);
  next.Close();
  Client& last = Available(kBalcony);
  Chat(3, kRomeo);
  ExpectSoFar(last, {"3"});
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(last.received()), Numbers(3, 4));
}

TEST_F(StrandedTest, WhatOneHasNotAcknowledgedComesToTheNext) {
  Client& romeo = CutOffWith(2);
  Client& next = ManagedAndAvailable(kGarden);
  ExpectSoFar(next, {"1", "2"});
  AcknowledgeUpTo("1", next);
  next.Close();
  Client& last = Available(kBalcony);
  Chat(3, kRomeo);
  ExpectSoFar(last, {"2", "3"});
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(last.received()), Numbers(2, 4));
}

TEST_F(StrandedTest, WhatIsForTheSessionAloneWaitsForIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  CutOff(first());
  Chat(1);
  juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><query xmlns='any'/></iq>");
  juliet().Send("<presence><show>away</show></presence>");
  Chat(2, kRomeo);
  RunUntil([&] { return parked() == 4; });
  Client& next = Available(kGarden);
  ExpectSoFar(next, {"2"});
  Return(first());
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 3));
  EXPECT_EQ(Ids(next.received()), Numbers(2, 3));
}

TEST_F(StrandedTest, GoesToWhoBecomesMostAvailable) {
  Begin();
  Managed(first(), kOrchard, kLong, 1);
  CutOff(first());
  Chat(1, kRomeo);
  RunUntil([&] { return parked() == 1; });
  Client& next = Available(kGarden, 0);
  Chat(2, kRomeo);
  RunUntil([&] { return parked() == 3; });  // and that presence
  Chat(9, kGarden);
  ExpectSoFar(next, {"9"});
  next.Send("<presence><priority>5</priority></presence>");
  Chat(3, kRomeo);
  ExpectSoFar(next, {"9", "1", "2", "3"});
  next.Send("<presence><priority>5</priority><status>again</status></presence>");
  next.Send("<presence><priority>6</priority></presence>");
  Chat(4, kRomeo);
  ExpectSoFar(next, {"9", "1", "2", "3", "4"});
}

TEST_F(StrandedTest, ItsSenderIsToldOfNoErrorAsLongAsOneMayHaveIt) {
  Configure(1, {"router.edge_timeout=300ms"});
  CutOffWith(1);
  Client& next = Available(kGarden);
  ExpectSoFar(next, {"1"});
  second().SetOverloaded(true);
  Chat(2, kRomeo);
  RunUntil([&] { return parked() == 3; });  // and that presence
  RunUntil([&] { return parked() == 0; });
  Settle();
  EXPECT_EQ(Ids(juliet().received()), (std::vector<std::string>{"2"})) << "nobody took it";
}

TEST_F(StrandedTest, WhoHasNoRoomForItIsNoReasonForAnErrorIfAnotherHasIt) {
  Configure(1, {"router.edge_timeout=1s"});
  CutOffWith(1);
  second().SetOverloaded(true);
  Client& garden = Available(kGarden);
  RunUntil([&] { return Metric("parley_router_shared_total") == 1; });
  Client& next = Login(edge(), kBalcony);
  next.Send("<presence/>");
  ExpectSoFar(next, {"1"});
  RunUntil([&] { return parked() == 0; });
  Settle();
  EXPECT_EQ(Ids(garden.received()), Numbers(1, 1));
  EXPECT_EQ(Ids(juliet().received()), Numbers(1, 1));
}

TEST_F(StrandedTest, WhatOneHasTakenComesToNoOther) {
  Client& romeo = CutOffWith(1);
  Client& garden = Available(kGarden);
  ExpectSoFar(garden, {"1"});
  Client& next = Available(kBalcony);
  Chat(2, kRomeo);
  ExpectSoFar(next, {"2"});
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(garden.received()), Numbers(1, 3));
  EXPECT_EQ(Ids(next.received()), Numbers(2, 3));
  EXPECT_EQ(Metric("parley_router_shared_total"), 1);
}

TEST_F(StrandedTest, WhatTheFirstTakesLateIsItsOwnAlthoughASecondHasBeenAsked) {
  Client& romeo = CutOffWith(1);
  Client& garden = Login(second(), kGarden);
  second().SetFrozen(true);
  garden.Send("<presence/>");
  RunUntil([&] { return Metric("parley_router_shared_total") == 1; });
  Client& balcony = Login(edge(), kBalcony);
  edge().SetOverloaded(true);
  balcony.Send("<presence/>");
  RunUntil([&] { return Metric("parley_router_shared_total") == 2; });
  second().SetFrozen(false);
  ExpectSoFar(garden, {"1"});
  first().EndUnheard(romeo);
  Return(first());
  EXPECT_EQ(Ids(garden.received()), Numbers(1, 2));
  EXPECT_EQ(Ids(balcony.received()), Numbers(1, 1));
}

// Its edge's lease lapses before that is back, and says that it is over: what is queued for it then the other had.
TEST_F(StrandedTest, WhatIsQueuedForAnOrphanComesOnce) {
  Client& romeo = CutOffWith(1);
  Client& garden = Available(kGarden);
  ExpectSoFar(garden, {"1"});
  first().EndLease();
  RunUntilOrphaned();
  Settle();
  second().ForgetSeen();  // as after more than it remembers
  Return(first());
  romeo.Close();
  RunUntil([&] { return Redis({"HEXISTS", "parley:s:{romeo@home.example}", "orchard"}) == "0"; });
  Settle();
  EXPECT_EQ(Ids(garden.received()), Numbers(1, 2));
  EXPECT_EQ(roster_->offline_count(kRomeo), 0);
}

// It was given up for the one that is cut off, but not the whole: the other had taken it.
TEST_F(StrandedTest, WhatTheOtherLeavesComesToWhoIsThereAgain) {
  Configure(1, {"router.edge_timeout=300ms"});
  Client& romeo = CutOffWith(1);
  Client& garden = ManagedAndAvailable(kGarden);
  ExpectSoFar(garden, {"1"});
  RunUntil([&] { return parked() == 0; });
  Return(first());
  garden.Close();
  ExpectSoFar(romeo, {"1"});
}

}  // namespace
}  // namespace parley::router

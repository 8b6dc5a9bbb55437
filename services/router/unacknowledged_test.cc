#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Attr;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What becomes of the stanzas that a client had not acknowledged when its session ended.
class UnacknowledgedTest : public testing::ManagedTest {
 protected:
  static std::size_t CountOf(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
  }
  // Romeo has not acknowledged these messages; the first is on its way to the roster service.
  Client& CloseWhileTheRosterHolds(int messages) {
    Begin();
    Client& romeo = Managed(first(), kOrchard);
    for (int i = 1; i <= messages; ++i) Chat(i);
    ExpectIds(romeo, Numbers(1, messages + 1));
    roster_->SetHolding(true);
    romeo.Close();
    RunUntil([&] { return roster_->held() > 0; });
    return romeo;
  }
  // As another router that has taken care of all that the session left.
  void FinishElsewhere(const Client& ended) {
    Redis({"HDEL", "parley:s:{romeo@home.example}", "\n" + ended.id()});
    Redis({"RENAME", session::QueueKey("romeo@home.example", "ended:" + ended.id()),
           "parley:p:{romeo@home.example}:" + ended.id()});
  }
  // A client that has acknowledged Juliet's request "q", and cannot be away.
  Client& Asked() {
    Begin();
    Client& romeo = Managed(first(), kOrchard, kShort);
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
    RunUntil([&] { return romeo.received().size() == 1; });
    first().Acknowledge(romeo, 1);
    return romeo;
  }
};

TEST_F(UnacknowledgedTest, IsStored) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (int i = 1; i < 6; ++i) Chat(i, i % 2 == 0 ? "romeo@home.example" : kOrchard);
  ExpectIds(romeo, Numbers(1, 6));
  first().Acknowledge(romeo, 2);
  romeo.Close();
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"stored\"}"), 3);
  const auto stored = TakeOffline();
  EXPECT_EQ(Ids(stored), Numbers(3, 6));
  EXPECT_THAT(stored, ::testing::Contains(HasSubstr("stamp='2023-11-14T22:13:20.000Z'")).Times(3));  // when queued
}

TEST_F(UnacknowledgedTest, GoesToTheOtherResource) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard, kLong, 5);
  other.Take();
  Chat(1, "romeo@home.example");
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  romeo.Close();
  ExpectIds(other, Numbers(1, 3));
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"delivered\"}"), 2);
}

// Its sender's edge died and did not tell it that this was handled.
TEST_F(UnacknowledgedTest, WhatItsSenderSendsAgainIsKnownAtTheOtherResource) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard);
  other.Take();
  Chat(1);
  ExpectIds(romeo, {"1"});
  auto again = std::make_unique<rpc::Envelope>(edge().last());
  romeo.Close();
  ExpectIds(other, {"1"});
  edge().SendAgain(std::move(again));
  Chat(2);
  ExpectIds(other, {"1", "2"});
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"again\"}"), 1);
}

TEST_F(UnacknowledgedTest, WhatItsSenderSendsAgainIsStoredOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  auto again = std::make_unique<rpc::Envelope>(edge().last());
  romeo.Close();
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 1; });
  edge().SendAgain(std::move(again));
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
}

TEST_F(UnacknowledgedTest, WhatTheOtherResourceHadIsNotRepeated) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 5);
  Client& romeo = Managed(first(), kOrchard, kLong, 5);
  other.Take();
  Chat(1, "romeo@home.example");  // to both
  ExpectIds(romeo, {"1"});
  ExpectIds(other, {"1"});
  romeo.Close();
  Settle();
  EXPECT_EQ(Ids(other.received()), Numbers(1, 2));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"ended\"}"), 1);
}

// As after an hour: nothing but the queue remembers.
TEST_F(UnacknowledgedTest, ACopyIsHandledAgainOnlyByTheLast) {
  Begin();
  Client& lower = Online(edge(), "romeo@home.example/balcony", 0);
  Client& other = Managed(second(), "romeo@home.example/street", kLong, 5);
  Client& romeo = Managed(first(), kOrchard, kLong, 5);
  for (auto* each : {&first(), &second()}) each->SetClock(RecordOf().bound_at() + 3600000);
  other.Take();
  Chat(1, "romeo@home.example");  // to both
  Chat(2);
  ExpectIds(romeo, {"1", "2"});
  ExpectIds(other, {"1"});
  second().ForgetSeen();
  romeo.Close();
  ExpectIds(other, {"1", "2"});
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"ended\"}"), 1);
  other.Close();
  ExpectIds(lower, {"1", "2"});
}

TEST_F(UnacknowledgedTest, ACopyIsHandledAgainForWhoCannotHaveHadIt) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 5);
  Client& romeo = Managed(first(), kOrchard, kLong, 5);
  Chat(1, "romeo@home.example");  // to both
  ExpectIds(romeo, {"1"});
  other.Close();
  Settle();
  Client& young = Online(second(), "romeo@home.example/street", 5);  // bound after the time that the edge notes
  romeo.Close();
  ExpectIds(young, {"1"});
}

// What it sent and what it got are numbered apart.
TEST_F(UnacknowledgedTest, IsNotTakenForWhatTheSessionSent) {
  Begin();
  Client& romeo = Managed(first(), kOrchard, kLong, -1);
  romeo.Send("<message type='chat' to='romeo@home.example' id='own'><body>x</body></message>");
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  const int numbers = static_cast<int>(romeo.sent()) + 1;
  for (int i = 1; i < numbers; ++i) Chat(i);
  ExpectIds(romeo, Numbers(1, numbers));
  romeo.Close();
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), numbers);
}

TEST_F(UnacknowledgedTest, RequestsAreBouncedAndTheRestEnds) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  juliet().Send("<iq type='result' to='romeo@home.example/orchard' id='r'/>");
  juliet().Send("<presence><show>away</show></presence>");
  juliet().Send("<message to='romeo@home.example/orchard' id='n'><body>for this resource</body></message>");
  juliet().Send("<message to='romeo@home.example/orchard' type='error' id='e'/>");
  Settle();
  EXPECT_EQ(romeo.received().size(), 5u);
  juliet().Take();
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(AllOf(HasSubstr("<presence"), HasSubstr("unavailable")),
                                           AllOf(HasSubstr("id='q'"), HasSubstr("service-unavailable")),
                                           AllOf(HasSubstr("id='n'"), HasSubstr("service-unavailable"))));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"bounced\"}"), 2);
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"ended\"}"), 2);
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
}

// RFC 6120 8.2.3: exactly once.
TEST_F(UnacknowledgedTest, ARequestThatWasAnsweredIsNotBounced) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (const std::string id : {"0", "1", "2"}) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  RunUntil([&] { return romeo.received().size() == 3; });
  first().Acknowledge(romeo, 1, {2});
  juliet().Take();
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable"), HasSubstr("id='2'")));
}

// RFC 6120 8.2.3: who acknowledged a request and did not answer it never will.
TEST_F(UnacknowledgedTest, AcknowledgedRequestsWithoutAnswerAreBouncedBeforeTheOthers) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (const std::string id : {"0", "1", "2", "3"}) {
    juliet().Send("<iq type='get' to='romeo@home.example/orchard' id='" + id + "'><ping xmlns='urn:xmpp:ping'/></iq>");
  }
  RunUntil([&] { return romeo.received().size() == 4; });
  first().Acknowledge(romeo, 3, {}, {"0", "2"});
  juliet().Take();
  romeo.Close();
  const auto bounced = [](const std::string& id) {
    return AllOf(HasSubstr("id='" + id + "'"), HasSubstr("from='romeo@home.example/orchard'"),
                 HasSubstr("service-unavailable"));
  };
  EXPECT_THAT(Received(juliet()), ElementsAre(bounced("0"), bounced("2"), HasSubstr("'unavailable'"), bounced("3")));
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"bounced\"}"), 3);
}

// RFC 6120 8.2.3: the edge died as it passed the answer on.
TEST_F(UnacknowledgedTest, ARequestIsAnsweredOnceIfItsAnswerMayHaveArrived) {
  Client& romeo = Asked();
  romeo.Send("<iq type='result' to='juliet@home.example/balcony' id='q'/>");
  first().SetAnswering(romeo, "q", romeo.sent());
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("result")));
  KillEdge(first());
  RunUntil([&] { return RedisIsClean() && edge().repeats() == 1; });
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
}

TEST_F(UnacknowledgedTest, ARequestIsAnsweredIfItsAnswerDidNotArrive) {
  Client& romeo = Asked();
  first().SetAnswering(romeo, "q", romeo.sent() + 1);
  Settle();
  KillEdge(first());
  RunUntil([&] { return RedisIsClean() && juliet().received().size() == 2; });
  EXPECT_THAT(juliet().Take(), ::testing::Contains(AllOf(HasSubstr("<iq type='error'"), HasSubstr("id='q'"))));
}

TEST_F(UnacknowledgedTest, WhatWasStoredBeforeIsStoredAgain) {
  Begin();
  Chat(1, "romeo@home.example");
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  Client& romeo = Login(first(), kOrchard);
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  romeo.Send("<presence/>");
  ExpectIds(romeo, {"1"});
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0);
  romeo.Close();
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 1);
  const auto stored = TakeOffline();
  ASSERT_EQ(Ids(stored), Numbers(1, 2));
  std::string all;
  for (const auto& stanza : stored) all += stanza;
  EXPECT_EQ(CountOf(all, "urn:xmpp:delay"), 1u) << all;
}

TEST_F(UnacknowledgedTest, WhatCannotBeStoredAgainIsBounced) {
  Begin();
  Chat(1, "romeo@home.example");
  Settle();
  Client& romeo = Login(first(), kOrchard);
  first().Enable(romeo, kLong);
  RunUntil([&] { return first().answered(romeo); });
  romeo.Send("<presence/>");
  ExpectIds(romeo, {"1"});
  roster_->SetOfflineQuota(0);
  juliet().Take();
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ::testing::Contains(AllOf(HasSubstr("id='1'"), HasSubstr("type='error'"))));
}

TEST_F(UnacknowledgedTest, GoesToWhoTakesTheResource) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  Chat(2, "romeo@home.example");
  ExpectIds(romeo, Numbers(1, 3));
  Client& young = Login(second(), kOrchard);
  RunUntil([&] { return romeo.disconnected() == "conflict"; });
  ExpectIds(young, {"1"});  // for the full JID
  young.Send("<presence/>");
  ExpectIds(young, {"1", "2"});
  romeo.Close("conflict");
  Settle();
  EXPECT_EQ(RecordOf().session(), young.id());
  EXPECT_EQ(QueueLength(romeo.queue()), "0");
  EXPECT_EQ(Redis({"HLEN", "parley:s:{romeo@home.example}"}), "1");
}

TEST_F(UnacknowledgedTest, IsStoredWhenTheSessionIsKicked) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().SetFrozen(true);
  Chat(2);  // is with the edge, and not in the queue yet
  RunUntil([&] { return first().frozen() == 1; });
  edge().Kick(romeo);
  RunUntil([&] { return first().frozen() == 2; });
  first().SetFrozen(false);
  RunUntil([&] { return romeo.disconnected() == "policy-violation"; });
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(UnacknowledgedTest, AnEdgeThatLostTheSessionAddsNothing) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  first().SetFrozen(true);
  Chat(2);
  RunUntil([&] { return first().frozen() == 1; });
  Login(second(), kOrchard);
  first().SetFrozen(false);  // takes 2, and finds no queue
  Settle();
  EXPECT_EQ(Ids(romeo.received()), Numbers(1, 2));
  EXPECT_EQ(Redis({"KEYS", "parley:q:*"}), "");
}

TEST_F(UnacknowledgedTest, ARouterThatDiedInTheMiddleIsSucceeded) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  auto record = RecordOf();
  const std::string queue = session::QueueKey("romeo@home.example", romeo.queue());
  const std::string retired = session::QueueKey("romeo@home.example", "ended:" + romeo.id());
  record.set_queue("ended:" + romeo.id());
  record.set_resume_ms(0);
  const auto die = [&] {
    KillRouter(0);
    Redis({"HDEL", "parley:s:{romeo@home.example}", "orchard"});
    Redis({"HSET", "parley:s:{romeo@home.example}", "\n" + romeo.id(),
           record.session() + " 9\n" + record.SerializeAsString()});
    StartRouter(0);
    RunUntil([&] { return HasEdge("c2s-1") && HasEdge("c2s-2") && HasEdge("c2s-3"); });
  };
  const std::string elements = Redis({"DUMP", queue});
  Redis({"RENAME", queue, retired});
  first().Lose(romeo);
  die();
  Chat(3, "romeo@home.example");
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  // It had come to the very end of it.
  Redis({"RESTORE", retired, "0", elements});
  die();
  Chat(4, "romeo@home.example");
  RunUntil([&] { return RedisIsClean(); });
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 4);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 5));
}

// Else it would be stored again, or delivered to who had it from the store.
TEST_F(UnacknowledgedTest, WhatAnotherRouterHasTakenCareOfMeanwhileIsLeftAlone) {
  const Client& romeo = CloseWhileTheRosterHolds(3);
  FinishElsewhere(romeo);
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 2));  // which was on its way
  EXPECT_EQ(Metric("parley_router_unacknowledged_total{outcome=\"elsewhere\"}"), 2);
}

// A router that stood still has a delivery that the edge had taken; another router has ended the session meanwhile.
TEST_F(UnacknowledgedTest, WhatWasInAQueueThatAnotherRouterTookCareOfIsRecognised) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard);
  other.Take();
  first().SetHolding(true);
  Chat(1);
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  first().Lose(romeo);
  first().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2"); });
  Redis({"RENAME", session::QueueKey("romeo@home.example", romeo.queue()),
         "parley:p:{romeo@home.example}:" + romeo.id()});
  Redis({"HDEL", "parley:s:{romeo@home.example}", "orchard"});
  first().Reconnect();
  RunUntil([&] { return HasEdge("c2s-2"); });
  Chat(2, "romeo@home.example");
  ExpectIds(other, {"2"});
}

TEST_F(UnacknowledgedTest, WhatWasInAQueueIsRememberedForAWhile) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  romeo.Close();
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  const std::string past = "parley:p:{romeo@home.example}:" + romeo.id();
  EXPECT_EQ(Redis({"LLEN", past}), "2");
  EXPECT_GT(std::stoi(Redis({"PTTL", past})), 0);
}

TEST_F(UnacknowledgedTest, WhatIsForgottenForWantOfRoomIsCounted) {
  Configure(1, {"router.remember_queues=1", "router.remember_left=1"});
  Begin();
  for (int i = 1; i <= 2; ++i) {
    Client& romeo = Managed(first(), kOrchard);
    Chat(i);
    ExpectIds(romeo, {std::to_string(i)});
    romeo.Close();
    Settle();
  }
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"remember_queues\"}"), 1);
  EXPECT_EQ(Metric("parley_router_limits_total{limit=\"remember_left\"}"), 1);
}

// Its sender has sent it again by then, to another router.
TEST_F(UnacknowledgedTest, WhatWaitedWhileItsLinkBrokeMayBeARepeat) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  roster_->SetHolding(true);
  romeo.Send("<presence type='subscribe' to='mercutio@home.example'/>");
  RunUntil([&] { return roster_->held() > 0; });
  Chat(1);
  RunUntil([&] { return Metric("parley_router_mailbox") == 1; });
  edge().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-1"); });
  EXPECT_EQ(first().doubtful(), 0);
  roster_->SetHolding(false);
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  EXPECT_EQ(first().doubtful(), 1);
}

TEST_F(UnacknowledgedTest, WhatRedisHasLostMeanwhileIsHandledAllTheSame) {
  CloseWhileTheRosterHolds(3);
  Redis({"FLUSHALL"});
  roster_->SetHolding(false);
  Settle();
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 3);
}

// Its sender has sent it again to another router, by which another session may have had it.
TEST_F(UnacknowledgedTest, WhatIsGivenBackBehindABrokenLinkMayBeARepeat) {
  Begin();
  Client& other = Online(second(), "romeo@home.example/street", 0);
  Client& romeo = Managed(first(), kOrchard);
  other.Take();
  first().SetHolding(true);
  Chat(1);
  RunUntil([&] { return Ids(romeo.received()).size() == 1; });
  first().Lose(romeo);
  first().Disconnect();
  edge().Disconnect();
  RunUntil([&] { return !HasEdge("c2s-2") && !HasEdge("c2s-1"); });
  Redis({"DEL", session::QueueKey("romeo@home.example", romeo.queue())});
  Redis({"HDEL", "parley:s:{romeo@home.example}", "orchard"});
  first().Reconnect();
  RunUntil([&] { return !other.received().empty(); });
  EXPECT_EQ(second().doubtful(), 1);
}

TEST_F(UnacknowledgedTest, WhatCannotBeKnownToBeOwedWaitsForRedis) {
  CloseWhileTheRosterHolds(4);
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  roster_->SetHolding(false);
  Chat(5, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });  // nobody is held up
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), (std::vector<std::string>{"1", "5", "2", "3", "4"}));
}

// So much that waits for Redis is too much: the other account waits as a whole.
TEST_F(UnacknowledgedTest, NotTooMuchWaitsForRedisBesideItsAccount) {
  Configure(1, {"router.max_deferred=1"});
  Begin();
  const std::string mercutio = "mercutio@home.example/street";
  Client& romeo = Managed(first(), kOrchard);
  Client& other = Managed(second(), mercutio);
  for (int i = 1; i < 4; ++i) Chat(i);
  for (int i = 4; i < 7; ++i) Chat(i, mercutio);
  ExpectIds(romeo, Numbers(1, 4));
  ExpectIds(other, Numbers(4, 7));
  roster_->SetHolding(true);
  romeo.Close();
  other.Close();
  RunUntil([&] { return roster_->held() == 2; });
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  roster_->SetHolding(false);
  RunUntil([&] { return Metric("parley_router_limits_total{limit=\"max_deferred\"}") == 1; });
  RunUntil([&] { return Metric("parley_router_deferred") == 2; });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Metric("parley_router_deferred"), 0);
  EXPECT_EQ(Ids(juliet().received()), Numbers(4, 7));  // nothing is stored for Mercutio: they are bounced
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

// Redis answers, but so late that another router may have done it meanwhile: it is asked again.
TEST_F(UnacknowledgedTest, AnAnswerThatComesTooLateIsAskedForAgain) {
  CloseWhileTheRosterHolds(2);
  Redis({"CLIENT", "PAUSE", "1000"});
  roster_->SetHolding(false);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  EXPECT_GE(Metric("parley_router_standstills_total"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(UnacknowledgedTest, ContactsAreToldByTheRouterThatTakesCareOfIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().SetFrozen(true);
  Chat(1);
  RunUntil([&] { return first().frozen() == 1; });
  const std::string retired = "\n" + romeo.id();
  edge().Kick(romeo);
  RunUntil([&] { return Redis({"HEXISTS", "parley:s:{romeo@home.example}", retired}) == "1"; });
  FinishElsewhere(romeo);
  first().SetFrozen(false);
  Settle();
  EXPECT_THAT(juliet().Take(), IsEmpty());
}

TEST_F(UnacknowledgedTest, WaitsForRedis) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  redis_.Pause();
  RunUntil([&] { return !Missing().empty(); });
  romeo.Close();
  Chat(2, "romeo@home.example");
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 1; });  // nobody is held up
  redis_.Resume();
  RunUntil([&] { return roster_->offline_count("romeo@home.example") == 2; });
  Settle();
  RunUntil([&] { return RedisIsClean(); });
}

}  // namespace
}  // namespace parley::router

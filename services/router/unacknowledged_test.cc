#include "libs/session/packing.h"
#include "services/router/testing/managed.h"

namespace parley::router {
namespace {

using ::testing::AllOf;
using testing::Client;
using ::testing::HasSubstr;

// What becomes of the stanzas that a client had not acknowledged when its session ended.
class UnacknowledgedTest : public testing::ManagedTest {
 protected:
  static std::size_t CountOf(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
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

// The client has acknowledged one of two that share an element, which is why that is there yet.
TEST_F(UnacknowledgedTest, OfWhatIsPackedOnlyWhatIsNotAcknowledgedIsStored) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  ExpectIds(romeo, {"1"});
  std::vector<std::string> elements;
  for (int number = 2; number <= 4; ++number) {
    link::v1::Envelope envelope = edge().last();
    envelope.set_origin_seq(envelope.origin_seq() + static_cast<std::uint64_t>(number));
    envelope.set_to(kOrchard);
    envelope.set_stanza("<message id='" + std::to_string(number) + "'><body>x</body></message>");
    elements.push_back(session::Encode(envelope, 1, 0));
  }
  const session::Packing packing(std::vector<std::string_view>(elements.begin(), elements.end()), 2, 0);
  session::v1::QueueHeader header;
  header.set_acked(2);
  header.set_skip(1);
  const std::string key = session::QueueKey("romeo@home.example", romeo.queue());
  Redis({"DEL", key});
  Redis({"RPUSH", key, session::Encode(header)});
  for (const auto& element : packing.elements()) Redis({"RPUSH", key, std::string(element.bytes)});
  romeo.Close();
  Settle();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(3, 5));
}

// Of the last message in the queue its edge does not know whether it is there.
TEST_F(UnacknowledgedTest, WhatWasAcknowledgedWithoutRedisIsNotStored) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  for (int i = 1; i < 5; ++i) Chat(i);
  ExpectIds(romeo, Numbers(1, 5));
  redis_.Pause();
  first().CloseUnnoted(romeo, 3, 2);
  RunUntil([&] { return !Missing().empty(); });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(4, 5));
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

// RFC 6120 8.2.3: exactly once.
// RFC 6120 8.2.3: who acknowledged a request and did not answer it never will.
// RFC 6120 8.2.3: the edge died as it passed the answer on.
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

// Else it would be stored again, or delivered to who had it from the store.
// A router that stood still has a delivery that the edge had taken; another router has ended the session meanwhile.
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

// So much that waits for Redis is too much: the other account waits as a whole.
// Redis answers, but so late that another router may have done it meanwhile: it is asked again.

}  // namespace
}  // namespace parley::router

// A session's queue in Redis, where others put stanzas, too, and which may be lost or not be had.
#include "services/c2s/sm/stored_queue.h"

#include "libs/storage/lease.h"
#include "services/c2s/testing/management_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StoredQueueTest : public ManagementTest {};

// Of Juliet's stanzas.
auto Numbered(std::uint64_t seq) {
  return [seq](link::v1::Envelope& envelope) {
    envelope.set_origin("juliet");
    envelope.set_origin_seq(seq);
  };
}

link::v1::Envelope FromJuliet(std::uint64_t seq, const std::string& stanza) {
  link::v1::Envelope envelope;
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_stanza(stanza);
  Numbered(seq)(envelope);
  return envelope;
}

TEST_F(StoredQueueTest, WhatOthersQueuedMeanwhileIsDelivered) {
  Client client(edge_.port());
  Enable(client);
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(foreign, 1, 0)});
  Deliver(SessionId(), Message("next"));
  EXPECT_EQ(client.Until(Message("next")), Message("foreign") + Message("next"));
  EXPECT_THAT(client.Sync(), Not(HasSubstr("<message")));
}

// Its sender was at an edge that was cut off, sent it once more elsewhere, and that edge is back, too.
TEST_F(StoredQueueTest, WhatOthersQueuedMeanwhileIsKnownWhenItIsRepeated) {
  Client client(edge_.port());
  Enable(client);
  auto foreign = FromJuliet(3, Message("foreign"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(foreign, 1, 0)});
  Deliver(SessionId(), Message("next"));
  client.Until(Message("next"));
  Deliver(SessionId(), Message("foreign"), [](link::v1::Envelope& envelope) {
    Numbered(3)(envelope);
    envelope.set_repeat(true);
  });
  Deliver(SessionId(), Message("last"));
  EXPECT_EQ(client.Until(Message("last")), Message("last"));
}

TEST_F(StoredQueueTest, ASessionThatWasClaimedElsewhereEnds) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().restore_ok = false; });
  edge_.redis().Call({"RENAME", queue_, queue_ + ".claimed"});
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_TRUE(edge_.Eventually([this] { return edge_.router().refused.size() == 1; }));
}

TEST_F(StoredQueueTest, AQueueThatRedisLostIsMadeAnew) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Call({"DEL", queue_});
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  const auto contents = Contents();
  ASSERT_EQ(contents.stanzas.size(), 2u);
  EXPECT_EQ(contents.stanzas[1].envelope().stanza(), Message("2"));
}

// As another took its resource just after the router had said that it is ours.
TEST_F(StoredQueueTest, AQueueThatIsGoneWithItsSessionIsNotMadeAnew) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Call({"DEL", queue_});
  edge_.OnLoop([this] {
    edge_.router().on_ask = [this, asked = 0](const session::v1::Ask& ask) mutable {
      if (!ask.has_restore()) return;
      edge_.router().restore_ok = ++asked == 1;
      edge_.redis().Call({"HSET", storage::SessionsKey("romeo@example.org"), "orchard", "another 1\nrecord"});
    };
  });
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(StreamErrorIn(client.Rest()), "conflict");
  EXPECT_EQ(edge_.redis().Call({"EXISTS", queue_}), "0");
}

TEST_F(StoredQueueTest, WhatIsOlderThanWhatItsSenderSaidSinceIsNoRepeat) {
  Client client(edge_.port());
  Enable(client);
  const auto again = [](link::v1::Envelope& envelope) {
    envelope.set_origin("juliet");
    envelope.set_origin_seq(5);
    envelope.set_repeat(true);
    envelope.set_unacknowledged_by("another session of romeo's");
    envelope.set_unacknowledged_number(1);
  };
  Deliver(SessionId(), Message("6"), Numbered(6));
  Deliver(SessionId(), Message("5"), again);
  Deliver(SessionId(), Message("5 again"), again);
  Deliver(SessionId(), Message("7"), Numbered(7));
  EXPECT_EQ(client.Until(Message("7")), Message("6") + Message("5") + Message("7"));
}

// A router took us for dead, and queued again what the client has acknowledged by now.
TEST_F(StoredQueueTest, WhatIsQueuedAgainAfterItsAcknowledgementIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  auto again = FromJuliet(1, Message("1"));
  Deliver(SessionId(), Message("1"), Numbered(1));
  client.Until(Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(again, 1, 0)});
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("2"));
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().stanzas.size(), 1u);
  EXPECT_EQ(Contents().total(), 2u);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
}

// The same, while it was on its way to us.
TEST_F(StoredQueueTest, WhatIsQueuedTwiceIsDeliveredOnce) {
  Client client(edge_.port());
  Enable(client);
  auto same = FromJuliet(1, Message("1"));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(same, 1, 0)});
  Deliver(SessionId(), Message("1"), Numbered(1));
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("1") + Message("2"));
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().stanzas.size(), 2u);
}

// A command of a connection that was given up may be done late.
TEST_F(StoredQueueTest, AnAnswerThatIsQueuedLateAgainIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  const std::string stanza = "<iq type='result' id='q'/>";
  const auto answer = [](link::v1::Envelope& envelope) {
    envelope.set_kind(link::v1::KIND_IQ);
    envelope.set_id("q");
    envelope.set_answers(1);
  };
  link::v1::Envelope late;
  late.set_stanza(stanza);
  answer(late);
  client.Send("<iq type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>");
  ASSERT_TRUE(AwaitArrived(1));
  Deliver(SessionId(), stanza, answer);
  client.Until(stanza);
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(late, 1, 0)});
  Deliver(SessionId(), Message("1"));
  EXPECT_EQ(client.Until(Message("1")), Message("1"));
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  ASSERT_TRUE(edge_.Eventually([this] { return Length() == "1"; }));
  edge_.redis().Call({"RPUSHX", queue_, session::Encode(late, 1, 0)});
  Deliver(SessionId(), Message("2"));
  EXPECT_EQ(client.Until(Message("2")), Message("2"));
}

// A roster push, say, which nobody numbers: Redis stands still, gets it, and does what it was asked once it goes on.
TEST_F(StoredQueueTest, WhatRedisAppendsLateAndItsClientHasAcknowledgedIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Pause();
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));  // Redis is given up
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(AwaitSettled(1));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  edge_.redis().Resume();
  ASSERT_TRUE(AwaitSettled(2));
  Deliver(SessionId(), Message("3"));
  EXPECT_THAT(client.Until(Message("3")), Not(HasSubstr(Message("1"))));
  EXPECT_TRUE(AwaitSettled(3));
  EXPECT_EQ(Contents().header.acked(), 1u);
  EXPECT_EQ(Contents().stanzas.size(), 2u);
}

// Also if the client has acknowledged many since.
TEST_F(StoredQueueTest, AnAnswerThatRedisAppendsLateIsNoNews) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Pause();
  const auto stanza = [](std::uint64_t number) { return "<iq type='result' id='q" + std::to_string(number) + "'/>"; };
  for (std::uint64_t number = 1; number <= 40; ++number) {
    client.Send("<iq type='get' id='q" + std::to_string(number) + "'><ping xmlns='urn:xmpp:ping'/></iq>");
    ASSERT_TRUE(AwaitArrived(number));
    Deliver(SessionId(), stanza(number), [number](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_IQ);
      envelope.set_id("q" + std::to_string(number));
      envelope.set_answers(number);
    });
    client.Until(stanza(number));
    client.Send("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(number) + "'/>");
  }
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Resume();
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().total() == 41; }));
  Deliver(SessionId(), Message("2"));
  EXPECT_THAT(client.Until(Message("2")), Not(HasSubstr("<iq")));
}

// That was refused, and will never be done.
TEST_F(StoredQueueTest, WhatSaysTheSameAsWhatRedisDidNotDoIsNews) {
  Client client(edge_.port());
  Enable(client);
  auto another = FromJuliet(2, Message("1"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx"});
  Deliver(SessionId(), Message("1"), Numbered(1));
  client.Until(Message("1"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(another, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx"});
  EXPECT_THAT(client.Until(Message("1")), HasSubstr(Message("1")));
}

// Its lease lapsed: others may have the session by now, or queue for it.
TEST_F(StoredQueueTest, WhileInDoubtWhoseTheSessionIsNothingIsQueuedAndAllMayBeARepeat) {
  Client client(edge_.port());
  Enable(client);
  edge_.OnLoop([this] { edge_.router().hold_asks = true; });
  edge_.redis().Call({"DEL", "parley:nodes"});
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().held_asks.empty(); }));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_TRUE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
  Deliver(SessionId(), Message("1"));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(2));
  EXPECT_EQ(Length(), "1");
  edge_.OnLoop([this] { edge_.router().AnswerHeld(); });
  client.Until(Message("1"));
  client.Send("<message to='juliet@example.org'/>");
  ASSERT_TRUE(AwaitArrived(3));
  EXPECT_FALSE(edge_.OnLoop([this] { return edge_.router().got.back().envelope.repeat(); }));
}

// Nothing was on its way to Redis when it went away.
TEST_F(StoredQueueTest, WhatComesOnceTheLeaseHasLapsedForWantOfRedisIsWritten) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().ready(); }));
  Deliver(SessionId(), Message("1"));
  client.Until(Message("1"));
  edge_.redis().Start();
}

// A Redis that is there, but does not do what it is asked (out of memory, a replica, a full disk).
TEST_F(StoredQueueTest, WhatOthersQueueWhileRedisRefusesUsComesToo) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Call({"ACL", "SETUSER", "default", "-rpushx"});
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().settled; }), 0);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>");
  EXPECT_TRUE(AwaitSettled(2));
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  edge_.redis().Call({"ACL", "SETUSER", "default", "+rpushx"});
  client.Until(Message("foreign"));
  Deliver(SessionId(), Message("3"));
  EXPECT_THAT(client.Until(Message("3")), Not(HasSubstr(Message("foreign"))));
  EXPECT_EQ(Contents().header.acked(), 2u);
  EXPECT_EQ(Contents().stanzas.size(), 2u);
}

TEST_F(StoredQueueTest, ARequestThatOthersQueuedIsKnownToBeAnswered) {
  Client client(edge_.port());
  Enable(client);
  link::v1::Envelope asked;
  asked.set_kind(link::v1::KIND_IQ);
  asked.set_type(link::v1::TYPE_GET);
  asked.set_id("asked");
  asked.set_from("juliet@example.org/balcony");
  asked.set_origin("origin");
  asked.set_origin_seq(1);
  asked.set_stanza("<iq type='get' id='asked' from='juliet@example.org/balcony'/>");
  edge_.redis().Call({"RPUSH", queue_, session::Encode(asked, 1, 0)});
  Deliver(SessionId(), Message("2"));
  client.Until(asked.stanza());
  client.Send("<iq type='result' id='asked' to='juliet@example.org/balcony'/>");
  EXPECT_TRUE(edge_.Eventually([this] { return Contents().header.replied_size() == 1; }));
}

TEST_F(StoredQueueTest, WhatRedisDidNotTrimKeepsItsNumber) {
  Client client(edge_.port());
  Enable(client);
  Deliver(SessionId(), "<iq type='get' id='asked' from='juliet@example.org/balcony'/>", [](link::v1::Envelope& asked) {
    asked.set_kind(link::v1::KIND_IQ);
    asked.set_type(link::v1::TYPE_GET);
    asked.set_id("asked");
    asked.set_from("juliet@example.org/balcony");
  });
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  edge_.redis().Call({"ACL", "SETUSER", "default", "-lset"});
  const double errors = edge_.Metric("parley_redis_errors_total");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  ASSERT_TRUE(edge_.Eventually([&] { return edge_.Metric("parley_redis_errors_total") > errors; }));
  edge_.redis().Call({"ACL", "SETUSER", "default", "+lset"});
  client.Send("<iq type='result' id='asked' to='juliet@example.org/balcony'/>");  // is noted in the header
  ASSERT_TRUE(AwaitArrived(1));
  EXPECT_TRUE(AwaitAcked(1));
  EXPECT_EQ(Contents().stanzas.at(0).envelope().stanza(), Message("2"));
}

TEST_F(StoredQueueTest, WithoutRedisStanzasGoOnAndStayTheRouters) {
  Client client(edge_.port());
  Enable(client);
  edge_.redis().Stop();
  ASSERT_TRUE(edge_.Eventually([this] { return edge_.Metric("parley_redis_up") == 0; }));
  Deliver(SessionId(), Message("1"));
  Deliver(SessionId(), Message("2"));
  client.Until(Message("2"));
  EXPECT_EQ(edge_.OnLoop([this] { return edge_.router().settled; }), 0);
  client.Send("<a xmlns='urn:xmpp:sm:3' h='1'/>");
  EXPECT_TRUE(AwaitSettled(1));
  edge_.redis().Start();
  // Emptied; the router lets the session be put back, and its queue is made of what is left.
  EXPECT_TRUE(AwaitSettled(2));
  EXPECT_EQ(Contents().header.acked(), 1u);
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

}  // namespace
}  // namespace parley::c2s::testing

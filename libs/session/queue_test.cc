#include "libs/session/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "libs/session/packing.h"
#include "libs/storage/lease.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::session {
namespace {

using ::testing::ElementsAre;

const std::string kKey = QueueKey("romeo@home.example", "q1");

const Owner kOwner{"romeo@home.example", "orchard", "s1", "q1"};

link::v1::Envelope Message(int number) {
  link::v1::Envelope envelope;
  envelope.set_kind(link::v1::KIND_MESSAGE);
  envelope.set_stanza("<message id='" + std::to_string(number) + "'/>");
  return envelope;
}

std::string Element(int number, std::uint64_t handled = 0) {
  auto envelope = Message(number);
  envelope.set_received_at(77);  // comes behind the stanza, by its number
  return Encode(envelope, 1000 + number, handled);
}

v1::QueueHeader Header(std::uint64_t acked) {
  v1::QueueHeader header;
  header.set_acked(acked);
  return header;
}

class QueueTest : public ::testing::Test {
 protected:
  QueueTest() : redis_(loop_, server_.options()) {
    test::RunUntil(loop_, [&] { return redis_.up(); });
  }

  // What the callback of `start` gets.
  template <class T, class Start>
  Result<T> Wait(Start start) {
    std::optional<Result<T>> got;
    start([&](Result<T> result) { got = std::move(result); });
    test::RunUntil(loop_, [&] { return got.has_value(); });
    return *got;
  }
  void Begin(std::uint64_t acked = 0) { server_.Call({"RPUSH", kKey, Encode(Header(acked))}); }
  Result<std::uint64_t> Push(const std::string& key, int number, std::uint64_t handled = 0) {
    return Wait<std::uint64_t>([&](auto done) {
      const std::string element = Element(number);
      Append(redis_, key, Packing(std::vector<std::string_view>{element}, 1, handled).elements(), done);
    });
  }
  Result<QueueContents> Contents(const std::string& key = kKey) {
    return Wait<QueueContents>([&](auto done) { Load(redis_, key, done); });
  }
  static std::vector<std::string> Stanzas(const QueueContents& contents) {
    std::vector<std::string> stanzas;
    for (const auto& queued : contents.stanzas) stanzas.push_back(queued.envelope().stanza());
    return stanzas;
  }

  Loop loop_;
  test::RedisServer server_;
  storage::Redis redis_;
};

TEST_F(QueueTest, HoldsWhatWasAppendedInOrder) {
  Begin();
  EXPECT_EQ(*Push(kKey, 1), 2u);
  EXPECT_EQ(*Push(kKey, 2, 7), 3u);
  const auto contents = Contents();
  ASSERT_TRUE(contents);
  EXPECT_THAT(Stanzas(*contents), ElementsAre("<message id='1'/>", "<message id='2'/>"));
  EXPECT_EQ(contents->stanzas[1].at(), 1002);
  EXPECT_EQ(contents->header.handled(), 7u);  // the highest that any element names
  EXPECT_EQ(contents->total(), 2u);
}

TEST_F(QueueTest, EncodingLeavesTheEnvelope) {
  auto envelope = Message(1);
  Encode(envelope, 1, 0);
  EXPECT_EQ(envelope.stanza(), "<message id='1'/>");
}

TEST_F(QueueTest, AnElementEndsWithItsStanza) {
  const std::string element = Element(1, 300);
  EXPECT_TRUE(element.ends_with("<message id='1'/>"));
  v1::QueueElement parsed;
  ASSERT_TRUE(parsed.ParseFromString(element));
  EXPECT_EQ(parsed.stanza().at(), 1001);
  EXPECT_EQ(parsed.stanza().handled(), 300u);
  EXPECT_EQ(parsed.stanza().envelope().kind(), link::v1::KIND_MESSAGE);
  EXPECT_EQ(parsed.stanza().envelope().stanza(), "<message id='1'/>");
  EXPECT_EQ(parsed.stanza().envelope().received_at(), 77);
}

TEST_F(QueueTest, WithoutAQueueNothingIsAppended) {
  EXPECT_EQ(*Push(kKey, 1), 0u);
  EXPECT_EQ(server_.Call({"EXISTS", kKey}), "0");
  EXPECT_FALSE(Contents());
  EXPECT_FALSE(Wait<Ok>([&](auto done) { SetHeader(redis_, kKey, Header(0), done); }));
}

TEST_F(QueueTest, TrimTakesTheOldestOut) {
  Begin();
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(Push(kKey, i));
  ASSERT_TRUE(Wait<Ok>([&](auto done) { Trim(redis_, kKey, 3, Header(3), done); }));
  const auto contents = Contents();
  ASSERT_TRUE(contents);
  EXPECT_THAT(Stanzas(*contents), ElementsAre("<message id='4'/>"));
  EXPECT_EQ(contents->header.acked(), 3u);
  EXPECT_EQ(contents->total(), 4u);
  EXPECT_EQ(server_.Call({"LLEN", kKey}), "2");
}

TEST_F(QueueTest, IsRebuiltOnlyAsItWasRead) {
  Begin();
  ASSERT_TRUE(Push(kKey, 1));
  const auto rebuild = [&](std::size_t length) {
    return Wait<bool>([&](auto done) { Rebuild(redis_, kKey, kOwner, length, Header(7), {}, done); });
  };
  EXPECT_FALSE(*rebuild(0));
  EXPECT_FALSE(*rebuild(1));
  EXPECT_EQ(Contents()->total(), 1u);
  EXPECT_TRUE(*rebuild(Contents()->length));
  EXPECT_EQ(Contents()->header.acked(), 7u);
  EXPECT_TRUE(Contents()->stanzas.empty());
}

TEST(SupersedeTest, WhatItsOwnerKnewCountsAsIfItHadBeenWritten) {
  QueueContents contents;
  contents.header.set_acked(4);
  contents.header.set_handled(9);
  for (int number = 5; number < 8; ++number) *contents.stanzas.emplace_back().mutable_envelope() = Message(number);
  v1::QueueHeader known;
  known.set_acked(6);
  known.set_handled(7);
  known.add_replied(7);
  Supersede(contents, known);
  EXPECT_EQ(contents.header.acked(), 6u);
  EXPECT_EQ(contents.header.handled(), 9u);
  EXPECT_THAT(contents.header.replied(), ElementsAre(7));
  ASSERT_EQ(contents.stanzas.size(), 1u);
  EXPECT_EQ(contents.stanzas[0].envelope().stanza(), Message(7).stanza());
  known.set_acked(5);
  Supersede(contents, known);
  EXPECT_EQ(contents.header.acked(), 6u);
  known.set_acked(20);
  Supersede(contents, known);
  EXPECT_EQ(contents.header.acked(), 7u);
  EXPECT_THAT(contents.stanzas, ::testing::IsEmpty());
}

TEST_F(QueueTest, IsNotMadeAnewForASessionThatAnotherHasPutAway) {
  const auto rebuild = [&] {
    return *Wait<bool>([&](auto done) { Rebuild(redis_, kKey, kOwner, 0, Header(7), {}, done); });
  };
  const std::string sessions = storage::SessionsKey("romeo@home.example");
  server_.Call({"HSET", sessions, "orchard", "s2 1\nrecord"});
  EXPECT_FALSE(rebuild());
  server_.Call({"HDEL", sessions, "orchard"});
  server_.Call({"HSET", sessions, RetiredField("s1"), "s1 5\nrecord"});
  EXPECT_FALSE(rebuild());
  EXPECT_EQ(server_.Call({"EXISTS", kKey}), "0");
  server_.Call({"HDEL", sessions, RetiredField("s1")});
  server_.Call({"HSET", sessions, "orchard", "s1 5\nrecord with q2"});
  EXPECT_FALSE(rebuild()) << "an edge that claimed it renamed its queue";
  server_.Call({"HSET", sessions, "orchard", "s1 5\nrecord with q1"});
  EXPECT_TRUE(rebuild());
}

// Redis that is out of memory refuses the header: then nothing may be taken out.
TEST_F(QueueTest, ATrimIsDoneWholeOrNotAtAll) {
  Begin();
  for (int i = 1; i <= 4; ++i) ASSERT_TRUE(Push(kKey, i));
  server_.Call({"ACL", "SETUSER", "default", "-lset"});
  EXPECT_FALSE(Wait<Ok>([&](auto done) { Trim(redis_, kKey, 2, Header(2), done); }));
  server_.Call({"ACL", "SETUSER", "default", "+lset"});
  EXPECT_EQ(Contents()->stanzas.size(), 4u);
}

TEST_F(QueueTest, MarksTellWhatIsHandledAgainFromWhatWasSent) {
  link::v1::Envelope sent;
  sent.set_origin("session");
  sent.set_origin_seq(5);
  link::v1::Envelope again = sent;
  again.set_unacknowledged_by("session");
  again.set_unacknowledged_number(1);
  EXPECT_NE(MarkOf(sent).origin, MarkOf(again).origin);
  EXPECT_EQ(MarkOf(again).seq, 1u);
  link::v1::Envelope stored;  // and delivered from the store
  stored.set_origin(OriginOfUnacknowledged("session"));
  stored.set_origin_seq(1);
  EXPECT_EQ(MarkOf(stored).origin, MarkOf(again).origin);
  link::v1::Envelope answer = sent;
  answer.set_answers(3);
  EXPECT_EQ(MarkOf(answer).origin, 0u);
}

TEST_F(QueueTest, MarksTellRosterPushesByTheirVersion) {
  link::v1::Envelope push;
  push.set_from("romeo@home.example");
  EXPECT_EQ(MarkOf(push).origin, 0u);
  push.set_origin_seq(7);
  EXPECT_NE(MarkOf(push).origin, 0u);
  link::v1::Envelope another = push;
  another.set_from("juliet@home.example");
  EXPECT_NE(MarkOf(push).origin, MarkOf(another).origin);
  link::v1::Envelope older = push;
  older.set_origin_seq(6);
  EXPECT_NE(MarkOf(push).origin, MarkOf(older).origin) << "it may come behind the newer one, and is news";
}

TEST_F(QueueTest, WhoLostTheQueueChangesNothing) {
  Begin();
  ASSERT_TRUE(Push(kKey, 1));
  const std::string claimed = QueueKey("romeo@home.example", "q2");
  server_.Call({"RENAME", kKey, claimed});
  EXPECT_EQ(*Push(kKey, 2), 0u);
  EXPECT_FALSE(Wait<Ok>([&](auto done) { SetHeader(redis_, kKey, Header(9), done); }));
  EXPECT_FALSE(Wait<Ok>([&](auto done) { Trim(redis_, kKey, 1, Header(1), done); }));
  EXPECT_EQ(server_.Call({"EXISTS", kKey}), "0");
  const auto contents = Contents(claimed);
  ASSERT_TRUE(contents);
  EXPECT_THAT(Stanzas(*contents), ElementsAre("<message id='1'/>"));
  EXPECT_EQ(contents->header.acked(), 0u);
}

TEST_F(QueueTest, WhatIsNoQueueIsAnError) {
  server_.Call({"RPUSH", kKey, "\xff\xff"});
  EXPECT_FALSE(Contents());
}

}  // namespace
}  // namespace parley::session

// What the header of a session's queue says of the messages and requests that its client acknowledged: routers
// recognise by it what is sent again when the session has ended.
#include "services/c2s/sm/remembered.h"

#include <thread>

#include "libs/base/ids.h"
#include "libs/base/unix_time.h"
#include "libs/session/acknowledged.h"
#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

using Change = std::function<void(link::v1::Envelope&)>;

class RememberedTest : public ResumeTest {
 protected:
  using ResumeTest::ResumeTest;

  // Juliet's message `seq`.
  void Chat(const std::string& session, std::uint64_t seq, const Change& change = {}) {
    Deliver(session, Message(std::to_string(seq)), [&](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_MESSAGE);
      envelope.set_origin("juliet");
      envelope.set_origin_seq(seq);
      if (change) change(envelope);
    });
  }
  static Change AsIq(link::v1::Type type) {
    return [type](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_IQ);
      envelope.set_type(type);
    };
  }
  static std::string Acknowledge(int h) { return "<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(h) + "'/>"; }
  // Those of her messages of which the header says so.
  std::vector<std::uint64_t> Acknowledged(std::uint64_t origin = StableHash("juliet")) {
    std::vector<std::uint64_t> numbers;
    const auto contents = Contents();
    for (const auto& seen : contents.header.seen()) {
      for (std::uint64_t number = 0; seen.origin() == origin && number < 1000; ++number) {
        if (session::HasAcknowledged(seen, number)) numbers.push_back(number);
      }
    }
    return numbers;
  }
  // Acknowledgements are told apart by their time.
  static void AwaitNextMillisecond() {
    for (const auto now = UnixMilliseconds(); UnixMilliseconds() == now;) std::this_thread::yield();
  }
};

TEST_F(RememberedTest, WhatTheClientAcknowledgedIsNotedOneByOne) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const std::uint64_t seq : {3u, 7u, 100u, 101u}) Chat(id, seq);
  client.Until(Message("101"));
  client.Send(Acknowledge(3));
  ASSERT_TRUE(AwaitAcked(3));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{3, 7, 100}));
}

// Other sessions owe a copy each; and presence does not come again when a session has ended.
TEST_F(RememberedTest, CopiesApartAndNoPresence) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Chat(id, 1, [](link::v1::Envelope& envelope) { envelope.set_copied(true); });
  Chat(id, 2, [](link::v1::Envelope& envelope) { envelope.set_kind(link::v1::KIND_PRESENCE); });
  Chat(id, 3);
  client.Until(Message("3"));
  client.Send(Acknowledge(3));
  ASSERT_TRUE(AwaitAcked(3));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(Acknowledged(session::OriginOfCopies(StableHash("juliet"))), (std::vector<std::uint64_t>{1}));
}

TEST_F(RememberedTest, RequestsButNotWhatAnswersOne) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Chat(id, 1, AsIq(link::v1::TYPE_GET));
  Chat(id, 2, AsIq(link::v1::TYPE_RESULT));
  Chat(id, 3, AsIq(link::v1::TYPE_SET));
  client.Until(Message("3"));
  client.Send(Acknowledge(3));
  ASSERT_TRUE(AwaitAcked(3));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{1, 3}));
}

TEST_F(RememberedTest, RequestsThatCameBeforeStreamManagementToo) {
  Client client(edge_.port());
  client.Start();
  Chat(SessionId(), 1, AsIq(link::v1::TYPE_GET));
  client.Until(Message("1"));
  client.Send(kEnable);
  client.Until("<enabled");
  ASSERT_TRUE(edge_.Eventually([this] { return Acknowledged() == std::vector<std::uint64_t>{1}; }));
}

TEST_F(RememberedTest, WhatItAcknowledgedAsItLoggedOutToo) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Chat(id, 1);
  Chat(id, 2);
  client.Until(Message("2"));
  client.Send(Acknowledge(1) + "</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

class RememberedOriginsTest : public RememberedTest {
 protected:
  RememberedOriginsTest() : RememberedTest([](config::Config& config) { config.c2s.sm_remember_origins = 2; }) {}
  void ChatFrom(const std::string& session, const std::string& origin, std::uint64_t seq) {
    Chat(session, seq, [&](link::v1::Envelope& envelope) { envelope.set_origin(origin); });
  }
};

TEST_F(RememberedOriginsTest, OfTooManyTheOneThatSentNothingForLongestIsForgotten) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  const std::vector<std::string> origins{"juliet", "nurse", "juliet", "benvolio"};
  int number = 0;
  for (const auto& origin : origins) {
    ChatFrom(id, origin, static_cast<std::uint64_t>(++number));
    client.Until(Message(std::to_string(number)));
    AwaitNextMillisecond();
    client.Send(Acknowledge(number));
    ASSERT_TRUE(AwaitAcked(static_cast<std::uint64_t>(number)));
  }
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_TRUE(Acknowledged(StableHash("nurse")).empty());
  EXPECT_EQ(Acknowledged(StableHash("benvolio")), (std::vector<std::uint64_t>{4}));
  EXPECT_EQ(edge_.Metric("parley_c2s_limits_total{limit=\"sm_remember_origins\"}"), 1);
}

class RememberedBlocksTest : public RememberedTest {
 protected:
  RememberedBlocksTest() : RememberedTest([](config::Config& config) { config.c2s.sm_remember_blocks = 2; }) {}
};

TEST_F(RememberedBlocksTest, OfOneSenderOnlyTheLatestBlocks) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const std::uint64_t seq : {1u, 70u, 140u}) Chat(id, seq);
  client.Until(Message("140"));
  client.Send(Acknowledge(2));
  ASSERT_TRUE(AwaitAcked(2));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{1, 70}));
  EXPECT_EQ(edge_.Metric("parley_c2s_sm_blocks_forgotten_total"), 0);
  client.Send(Acknowledge(3));
  ASSERT_TRUE(AwaitAcked(3));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{70, 140}));
  EXPECT_EQ(edge_.Metric("parley_c2s_sm_blocks_forgotten_total"), 1);
}

TEST_F(RememberedTest, AnotherEdgeGoesOnWithIt) {
  Leave(
      [](session::v1::QueueHeader& header) {
        header.set_settled(true);
        auto& seen = *header.add_seen();
        seen.set_origin(StableHash("juliet"));
        seen.set_seq(5);
        seen.set_at(UnixMilliseconds());
        session::NoteAcknowledged(seen, 4, 4);
      },
      {Queued("6", "juliet", 6)});
  Client client(edge_.port());
  Resume(client, "left", 0);
  client.Until(Message("6"));
  Chat("left", 7);
  client.Until(Message("7"));
  client.Send(Acknowledge(2));
  ASSERT_TRUE(AwaitAcked(2));
  EXPECT_EQ(Acknowledged(), (std::vector<std::uint64_t>{4, 6, 7}));
}

}  // namespace
}  // namespace parley::c2s::testing

// Queues in Redis whose elements have several stanzas each.
#include "libs/session/packing.h"
#include "services/c2s/testing/resume_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PackedTest : public ResumeTest {
 protected:
  PackedTest() : ResumeTest([](config::Config& config) { config.c2s.sm_pack_stanzas = 3; }) {}

  // In one turn of the edge's loop.
  void DeliverAtOnce(const std::string& session, int from, int to) {
    edge_.OnLoop([&] {
      for (int i = from; i <= to; ++i) edge_.router().Deliver(session, Message(std::to_string(i)));
    });
  }
  static std::string Messages(int from, int to) {
    std::string all;
    for (int i = from; i <= to; ++i) all += Message(std::to_string(i));
    return all;
  }
  std::string Queued() {
    std::string all;
    for (const auto& queued : Contents().stanzas) all += queued.envelope().stanza();
    return all;
  }
  bool Acknowledge(Client& client, std::uint64_t h) {
    client.Send("<a xmlns='urn:xmpp:sm:3' h='" + std::to_string(h) + "'/>");
    return AwaitAcked(h);
  }
  // Three that share an element, of which the client has acknowledged the first.
  void DeliverThreeAndAcknowledgeOne(Client& client, const std::string& session) {
    DeliverAtOnce(session, 1, 3);
    client.Until(Message("3"));
    ASSERT_TRUE(Acknowledge(client, 1));
  }
  // As another edge left it: `acked` acknowledged by the client, and behind that, packed, what came at once.
  void LeavePacked(std::uint64_t acked, std::uint32_t skip, int from, int to) {
    Leave(
        [=](session::v1::QueueHeader& header) {
          header.set_acked(acked);
          header.set_skip(skip);
        },
        {});
    edge_.OnLoop([=, this] {
      edge_.router().on_ask = [=, this, leave = std::move(edge_.router().on_ask)](const session::v1::Ask& ask) {
        leave(ask);
        if (ask.has_resume()) edge_.redis().Call({"RPUSH", queue_, Packed(from, to)});
      };
    });
  }
  static std::string Packed(int from, int to) {
    std::vector<std::string> elements;
    for (int i = from; i <= to; ++i) {
      auto envelope = ResumeTest::Queued(std::to_string(i));
      elements.push_back(session::Encode(envelope, 1, 0));
    }
    const session::Packing packing(std::vector<std::string_view>(elements.begin(), elements.end()), elements.size(), 0);
    return std::string(packing.elements()[0].bytes);
  }
};

TEST_F(PackedTest, WhatComesAtOnceSharesElements) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  DeliverAtOnce(id, 1, 7);
  EXPECT_EQ(client.Until(Message("7")), Messages(1, 7));
  EXPECT_EQ(Length(), "4") << "a header, and two of three and one of one";
  EXPECT_EQ(Queued(), Messages(1, 7));
  EXPECT_EQ(edge_.Metric("parley_c2s_sm_packed_total"), 6);
}

TEST_F(PackedTest, WhatIsAcknowledgedGoesWithTheLastOfItsElement) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  DeliverAtOnce(id, 1, 6);
  client.Until(Message("6"));
  ASSERT_TRUE(Acknowledge(client, 2));
  EXPECT_EQ(Length(), "3");
  EXPECT_EQ(Queued(), Messages(3, 6));
  ASSERT_TRUE(Acknowledge(client, 5));
  EXPECT_EQ(Length(), "2");
  EXPECT_EQ(Queued(), Messages(6, 6));
  DeliverAtOnce(id, 7, 7);
  client.Until(Message("7"));
  EXPECT_EQ(Queued(), Messages(6, 7));
  ASSERT_TRUE(Acknowledge(client, 7));
  EXPECT_EQ(Length(), "1");
}

TEST_F(PackedTest, IsResumedHere) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  DeliverAtOnce(id, 1, 5);
  client.Until(Message("5"));
  GoAway(client);
  DeliverAtOnce(id, 6, 8);
  ASSERT_TRUE(AwaitSettled(8));
  Client again(edge_.port());
  EXPECT_THAT(Resume(again, id, 2), HasSubstr("<resumed"));
  EXPECT_EQ(again.Until(Message("8")), Messages(3, 8));
  EXPECT_EQ(Queued(), Messages(3, 8));
}

TEST_F(PackedTest, IsClaimedWithoutWhatIsAcknowledged) {
  LeavePacked(12, 2, 11, 14);
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 12), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("14")), Messages(13, 14));
  DeliverAtOnce("left", 15, 16);
  EXPECT_EQ(client.Until(Message("16")), Messages(15, 16));
  EXPECT_EQ(Queued(), Messages(13, 16));
  EXPECT_EQ(Length(), "3");
  ASSERT_TRUE(Acknowledge(client, 15));
  EXPECT_EQ(Length(), "2");
  EXPECT_EQ(Queued(), Messages(16, 16));
}

TEST_F(PackedTest, IsClaimedByAClientThatHasMoreOfIt) {
  LeavePacked(10, 0, 11, 14);
  Client client(edge_.port());
  EXPECT_THAT(Resume(client, "left", 13), HasSubstr("<resumed"));
  EXPECT_EQ(client.Until(Message("14")), Messages(14, 14));
  ASSERT_TRUE(AwaitAcked(13));
  EXPECT_EQ(Queued(), Messages(14, 14));
}

TEST_F(PackedTest, WhatOthersPackedMeanwhileIsDelivered) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  DeliverThreeAndAcknowledgeOne(client, id);
  edge_.redis().Call({"RPUSHX", queue_, Packed(4, 5)});
  DeliverAtOnce(id, 6, 7);
  EXPECT_EQ(client.Until(Message("7")), Messages(4, 7));
  ASSERT_TRUE(AwaitSettled(5));
  EXPECT_EQ(Queued(), Messages(2, 7));
  ASSERT_TRUE(Acknowledge(client, 7));
  EXPECT_EQ(Length(), "1");
}

TEST_F(PackedTest, IsMadeAnewWithoutWhatIsAcknowledged) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  DeliverThreeAndAcknowledgeOne(client, id);
  edge_.redis().Call({"DEL", queue_});
  DeliverAtOnce(id, 4, 4);
  client.Until(Message("4"));
  EXPECT_EQ(Contents().header.acked(), 1u);
  EXPECT_EQ(Queued(), Messages(2, 4));
  ASSERT_TRUE(Acknowledge(client, 4));
  EXPECT_EQ(Length(), "1");
}

}  // namespace
}  // namespace parley::c2s::testing

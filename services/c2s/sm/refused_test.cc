// Sessions whose edge Redis refuses its lease, as when its disk is full.
#include "services/c2s/node.h"
#include "services/c2s/testing/doubt_test.h"

namespace parley::c2s::testing {
namespace {

using ::testing::HasSubstr;

class RefusedTest : public LonelyTest {
 protected:
  RefusedTest() = default;
  explicit RefusedTest(const EdgeHarness::Change& change) : LonelyTest(change) {}
  ~RefusedTest() override { TakeWrites(); }
  void RefuseWrites() {
    RefuseWritesForAMoment();
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.edge().context().node.held(); }));
  }
  // The lease is not over.
  void RefuseWritesForAMoment() {
    edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "1"});
    ASSERT_TRUE(edge_.Eventually([this] { return edge_.edge().context().node.without_redis(); }));
  }
  // Meanwhile others may take our sessions for those of a dead edge.
  void RestartRouter() {
    edge_.StopRouter();
    const auto doubts = [this] { return edge_.Metric("parley_c2s_doubts_total{reason=\"no router\"}"); };
    ASSERT_TRUE(edge_.Eventually([&] { return doubts() > 0; }));
    edge_.StartRouter();
    ASSERT_TRUE(edge_.Eventually([this] { return !edge_.router().links.empty(); }));
  }
  void TakeWrites() { edge_.redis().Call({"CONFIG", "SET", "min-replicas-to-write", "0"}); }
  // What Redis has counted since its start, by a line of INFO that begins so.
  int Count(const std::string& section, const std::string& line_start) {
    const std::string info = edge_.redis().Call({"INFO", section});
    const auto at = info.find(line_start);
    return at == std::string::npos ? 0 : std::stoi(info.substr(at + line_start.size()));
  }
  int Reads() { return Count("commandstats", "cmdstat_lrange:calls="); }
  int Refusals() { return Count("errorstats", "errorstat_NOREPLICAS:count="); }
};

TEST_F(RefusedTest, WhatComesForAClientThatSaysNothingIsWritten) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  RefuseWrites();
  Deliver(id, Message("1"));
  EXPECT_THAT(client.Until(Message("1")), HasSubstr(Message("1")));
  TakeWrites();
  EXPECT_TRUE(AwaitSettled(1)) << "the queue has it";
  EXPECT_EQ(Contents().stanzas.size(), 1u);
}

// The lease, which is refused, too, shows when Redis takes it.
TEST_F(RefusedTest, WhatIsNotTakenIsNotTriedForEachSession) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  RefuseWrites();
  const int read = Reads();
  const int refused = Refusals();
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  ASSERT_TRUE(edge_.Eventually([&] { return Refusals() >= refused + 20; }));
  EXPECT_EQ(Reads(), read);
}

TEST_F(RefusedTest, WhatOthersMayHaveQueuedComesFirst) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  link::v1::Envelope foreign;
  foreign.set_stanza(Message("foreign"));
  edge_.redis().Call({"RPUSH", queue_, session::Encode(foreign, 1, 0)});
  RefuseWrites();
  RestartRouter();
  Deliver(id, Message("new"));
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("foreign")));
}

// What is not taken waits for the lease; what others may have queued does not.
TEST_F(RefusedTest, WhatComesOnceOthersMayHaveQueuedSomethingIsWritten) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  RefuseWrites();
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  RestartRouter();
  Deliver(id, Message("new"));
  EXPECT_THAT(client.Until(Message("new")), HasSubstr(Message("new")));
}

// What Redis refuses to note of a session's end the router is told.
class LastHeaderTest : public RefusedTest {
 protected:
  static constexpr char kJuliet[] = "juliet@example.org/balcony";
  void Ask(const std::string& id, const std::string& number) {
    const std::string stanza = "<iq type='get' id='" + number + "' from='" + kJuliet + "'/>";
    Deliver(id, stanza, [&](link::v1::Envelope& envelope) {
      envelope.set_kind(link::v1::KIND_IQ);
      envelope.set_type(link::v1::TYPE_GET);
      envelope.set_id(number);
      envelope.set_from(kJuliet);
      envelope.set_origin("juliet");
      envelope.set_origin_seq(std::stoul(number));
    });
  }
  static std::string Answer(const std::string& number) {
    return "<iq type='result' id='" + number + "' to='" + kJuliet + "'/>";
  }
  // Of the end, which was said.
  session::v1::QueueHeader Said() {
    session::v1::QueueHeader header;
    const auto end = edge_.OnLoop([this] { return edge_.router().got.back().envelope.session_ended(); });
    EXPECT_TRUE(header.ParseFromString(end.header()));
    return header;
  }
};

TEST_F(LastHeaderTest, SaysWhatItsClientAcknowledgedAndAnswered) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  for (const std::string number : {"1", "2", "3"}) Ask(id, number);
  client.Until("id='3'");
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().total() == 3; }));
  RefuseWrites();
  client.Send(Answer("1") + "<a xmlns='urn:xmpp:sm:3' h='2'/>" + Answer("3") + "</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  const auto header = Said();
  EXPECT_EQ(header.acked(), 2u);
  EXPECT_EQ(header.handled() - header.base(), 2u);
  EXPECT_THAT(header.replied(), ::testing::ElementsAre(3));
  ASSERT_EQ(header.asked_size(), 1);
  EXPECT_EQ(header.asked(0).id(), "2");
  ASSERT_EQ(header.seen_size(), 1);
  EXPECT_EQ(header.seen(0).seq(), 2u);
}

// Others may have given other stanzas these numbers.
TEST_F(LastHeaderTest, SaysNoNumbersOfWhatRedisIsNotKnownToHave) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  Ask(id, "1");
  client.Until("id='1'");
  ASSERT_TRUE(edge_.Eventually([this] { return Contents().total() == 1; }));
  RefuseWrites();
  for (const std::string number : {"2", "3"}) Ask(id, number);
  client.Until("id='3'");
  client.Send("<a xmlns='urn:xmpp:sm:3' h='2'/>" + Answer("3") + "</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  const auto header = Said();
  EXPECT_EQ(header.acked(), 1u);
  EXPECT_THAT(header.replied(), ::testing::IsEmpty());
  ASSERT_EQ(header.seen_size(), 1);
  EXPECT_EQ(header.seen(0).seq(), 2u) << "that number is its sender's";
}

TEST_F(LastHeaderTest, IsNotSaidIfItIsWritten) {
  Client client(edge_.port());
  Enable(client);
  client.Send("</stream:stream>");
  ASSERT_TRUE(AwaitEnd("closed"));
  EXPECT_EQ(Said().ByteSizeLong(), 0u);
}

class MomentTest : public RefusedTest {
 protected:
  MomentTest()
      : RefusedTest([](config::Config& config) {
          Hasten(config);
          config.c2s.lease_ttl = std::chrono::minutes(1);
        }) {}
};

TEST_F(MomentTest, WhatIsNotTakenIsTriedAgainUnderTheSameLease) {
  Client client(edge_.port());
  const std::string id = Enable(client);
  RefuseWritesForAMoment();
  Deliver(id, Message("1"));
  client.Until(Message("1"));
  TakeWrites();
  EXPECT_TRUE(edge_.Eventually([this] { return Length() == "2"; }));
}

}  // namespace
}  // namespace parley::c2s::testing

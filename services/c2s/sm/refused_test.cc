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

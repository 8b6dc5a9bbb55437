#include "libs/storage/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using std::chrono::milliseconds;
using test::RunUntil;
using testing::ElementsAre;
using testing::IsEmpty;
using Verdict = NodeTable::Verdict;

constexpr LeaseOptions kOptions{milliseconds(400), milliseconds(50)};
constexpr milliseconds kPoll{20};

RedisOptions Quick(RedisOptions options) {
  options.command_timeout = milliseconds(200);
  options.connect_timeout = milliseconds(200);
  options.reconnect_min = milliseconds(5);
  options.reconnect_max = milliseconds(20);
  return options;
}

// An edge, with a connection of its own.
struct Edge {
  Edge(Loop& loop, const RedisOptions& options, const std::string& instance)
      : redis(loop, options),
        lease(loop, redis, instance, "boot", kOptions, [this](const std::string& epoch) { epochs.push_back(epoch); }) {}
  std::vector<std::string> epochs;
  Redis redis;
  NodeLease lease;
};

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() {
    redis_.emplace(loop_, options_);
    table_.emplace(loop_, *redis_, kOptions, kPoll,
                   [this](const NodeTable::Node& node) { lapsed_.push_back(node.instance + "/" + node.epoch); });
    edge_.emplace(loop_, options_, "c2s-1");
  }

  void Turn(const std::function<bool()>& condition) { RunUntil(loop_, condition); }
  Verdict Judge(const std::string& epoch) { return table_->Judge("c2s-1", epoch); }
  void SeeAlive() {
    Turn([this] { return Judge(edge_->lease.epoch()) == Verdict::kAlive; });
  }
  // Until the table may call things dead.
  void Settle() {
    Turn([this] { return Judge("never-was") == Verdict::kLapsed; });
  }

  test::RedisServer server_;
  const RedisOptions options_ = Quick(server_.options());
  Loop loop_;
  std::optional<Redis> redis_;
  std::vector<std::string> lapsed_;
  std::optional<NodeTable> table_;
  std::optional<Edge> edge_;
};

TEST_F(LeaseTest, KeysHaveTheirNames) {
  EXPECT_EQ(SessionsKey("romeo@example.net"), "parley:s:{romeo@example.net}");
  EXPECT_EQ(NodeSessionsKey("c2s-1", "e"), "parley:n:c2s-1/e");
}

TEST_F(LeaseTest, IsTakenAndSeen) {
  EXPECT_EQ(edge_->lease.epoch(), "");
  EXPECT_FALSE(edge_->lease.held());
  SeeAlive();
  EXPECT_TRUE(edge_->lease.held());
  EXPECT_THAT(edge_->epochs, ElementsAre(edge_->lease.epoch()));
  ASSERT_EQ(table_->nodes().size(), 1u);
  EXPECT_EQ(table_->nodes()[0].instance, "c2s-1");
}

TEST_F(LeaseTest, IsKeptLongerThanItsTtl) {
  Settle();
  test::RunFor(loop_, kOptions.ttl * 2);
  EXPECT_TRUE(edge_->lease.held());
  EXPECT_EQ(edge_->epochs.size(), 1u);
  EXPECT_THAT(lapsed_, IsEmpty());
}

TEST_F(LeaseTest, TableDoesNotJudgeUntilItKnowsEnough) {
  SeeAlive();
  EXPECT_EQ(Judge("never-was"), Verdict::kUnknown);
  Settle();
}

TEST_F(LeaseTest, DeadEdgeLapsesOnce) {
  Settle();
  SeeAlive();
  const std::string epoch = edge_->lease.epoch();
  edge_.reset();
  EXPECT_EQ(Judge(epoch), Verdict::kAlive);
  Turn([&] { return !lapsed_.empty(); });
  EXPECT_EQ(Judge(epoch), Verdict::kLapsed);
  test::RunFor(loop_, kOptions.ttl);
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + epoch));
}

TEST_F(LeaseTest, ReleaseEndsItNow) {
  Settle();
  SeeAlive();
  const std::string epoch = edge_->lease.epoch();
  bool released = false;
  edge_->lease.Release([&] { released = true; });
  EXPECT_FALSE(edge_->lease.held());
  const auto start = std::chrono::steady_clock::now();
  Turn([&] { return released && !lapsed_.empty(); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, kOptions.ttl);
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + epoch));
  test::RunFor(loop_, kOptions.refresh * 3);
  EXPECT_EQ(edge_->epochs.size(), 1u);
}

TEST_F(LeaseTest, ReleaseEndsAlsoWithoutRedis) {
  SeeAlive();
  server_.Kill();
  Turn([&] { return !edge_->redis.up(); });
  bool released = false;
  edge_->lease.Release([&] { released = true; });
  Turn([&] { return released; });
}

TEST_F(LeaseTest, SaysWhyRedisRefusesIt) {
  SeeAlive();
  EXPECT_EQ(edge_->lease.failure(), "");
  server_.Call({"CONFIG", "SET", "min-replicas-to-write", "1"});
  Turn([&] { return !edge_->lease.held(); });
  EXPECT_TRUE(edge_->redis.up());
  EXPECT_THAT(edge_->lease.failure(), testing::HasSubstr("NOREPLICAS"));
  server_.Call({"CONFIG", "SET", "min-replicas-to-write", "0"});
  Turn([&] { return edge_->lease.held(); });
  EXPECT_EQ(edge_->lease.failure(), "");
}

TEST_F(LeaseTest, SaysWhyThereIsNoConnection) {
  SeeAlive();
  server_.Kill();
  Turn([&] { return !edge_->redis.up(); });
  EXPECT_NE(edge_->lease.failure(), "");
  server_.Start();
  Turn([&] { return edge_->lease.failure().empty(); });
  EXPECT_TRUE(edge_->redis.up());
}

TEST_F(LeaseTest, WhatRedisRefusedByAFormerConnectionSaysNothingOfTheNext) {
  SeeAlive();
  server_.Call({"CONFIG", "SET", "min-replicas-to-write", "1"});
  Turn([&] { return !edge_->lease.failure().empty(); });
  std::optional<std::string> at_first;
  edge_->redis.OnState([&](bool up) {
    if (up) at_first = edge_->lease.failure();
  });
  Turn([&] { return at_first.has_value(); });  // it is up now
  at_first.reset();
  server_.Call({"CLIENT", "KILL", "TYPE", "normal"});
  Turn([&] { return at_first.has_value(); });
  EXPECT_EQ(*at_first, "");
  Turn([&] { return !edge_->lease.failure().empty(); });
}

// The loop does not turn: what SIGSTOP does to an edge.
TEST_F(LeaseTest, StoppedEdgeTakesANewEpoch) {
  SeeAlive();
  const std::string before = edge_->lease.epoch();
  timespec pause{0, 600'000'000};
  nanosleep(&pause, nullptr);
  EXPECT_FALSE(edge_->lease.held());
  Turn([&] { return edge_->epochs.size() == 2; });
  EXPECT_NE(edge_->lease.epoch(), before);
  EXPECT_TRUE(edge_->lease.held());
  // The table's process was stopped with it and does not hurry; then the old one lapses.
  EXPECT_THAT(lapsed_, IsEmpty());
  Turn([&] { return !lapsed_.empty(); });
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + before));
}

TEST_F(LeaseTest, LapseThatRedisTellsLeadsToANewEpoch) {
  Settle();
  SeeAlive();
  const std::string before = edge_->lease.epoch();
  server_.Call({"ZADD", kNodesKey, "1", "c2s-1/" + before});
  Turn([&] { return edge_->epochs.size() == 2; });
  EXPECT_NE(edge_->lease.epoch(), before);
  Turn([&] { return !lapsed_.empty(); });
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + before));
}

TEST_F(LeaseTest, NobodyIsJudgedWhileRedisIsAway) {
  Settle();
  SeeAlive();
  const std::string epoch = edge_->lease.epoch();
  server_.Kill();
  Turn([&] { return !redis_->up(); });
  EXPECT_EQ(Judge(epoch), Verdict::kUnknown);
  EXPECT_EQ(Judge("never-was"), Verdict::kUnknown);
  // The edge itself knows when its time is over.
  Turn([&] { return !edge_->lease.held(); });
  server_.Start();
  Turn([&] { return edge_->epochs.size() == 2; });
  EXPECT_EQ(Judge("never-was"), Verdict::kUnknown);
  EXPECT_THAT(lapsed_, IsEmpty());
  SeeAlive();
  Settle();
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + epoch));
}

TEST_F(LeaseTest, EmptiedRedisIsNotADeadEdge) {
  Settle();
  SeeAlive();
  const std::string before = edge_->lease.epoch();
  server_.Call({"FLUSHALL"});
  Turn([&] { return edge_->epochs.size() == 2; });
  SeeAlive();
  EXPECT_EQ(Judge(before), Verdict::kUnknown);
  EXPECT_THAT(lapsed_, IsEmpty());
  Settle();
  EXPECT_THAT(lapsed_, ElementsAre("c2s-1/" + before));
}

TEST_F(LeaseTest, ShortBreakCostsNothing) {
  Settle();
  SeeAlive();
  server_.Call({"CLIENT", "KILL", "TYPE", "normal"});
  Turn([&] { return redis_->counters().connects == 2 && edge_->redis.counters().connects == 2; });
  SeeAlive();
  Settle();
  EXPECT_EQ(edge_->epochs.size(), 1u);
  EXPECT_THAT(lapsed_, IsEmpty());
}

// An edge with a lease that does not lapse in a test.
class OtherRedisTest : public testing::Test {
 protected:
  OtherRedisTest() {
    RunUntil(loop_, [this] { return epochs_.size() == 1; });
  }

  test::RedisServer server_{{"--appendonly", "yes"}};
  Loop loop_;
  std::vector<std::string> epochs_;
  Redis redis_{loop_, Quick(server_.options())};
  NodeLease lease_{
      loop_, redis_, "c2s-1", "boot", {milliseconds(600'000), milliseconds(50)}, [this](const std::string& epoch) {
        epochs_.push_back(epoch);
      }};
};

TEST_F(OtherRedisTest, ARestartLeadsToANewEpochAlthoughTheLeaseIsThere) {
  server_.Kill();
  RunUntil(loop_, [this] { return !redis_.up(); });
  server_.Start();
  RunUntil(loop_, [this] { return epochs_.size() == 2; });
  EXPECT_EQ(server_.Call({"ZCARD", kNodesKey}), "2");
}

TEST_F(OtherRedisTest, OneThatDoesNotSayWhoItIsCountsAsAnother) {
  server_.Call({"ACL", "SETUSER", "default", "-info"});
  server_.Call({"CLIENT", "KILL", "TYPE", "normal"});
  RunUntil(loop_, [this] { return epochs_.size() == 2; });
}

TEST_F(LeaseTest, LapsedLeasesAreRemovedInTheEnd) {
  server_.Call({"ZADD", kNodesKey, "1", "c2s-9/old"});
  Turn([&] { return server_.Call({"ZSCORE", kNodesKey, "c2s-9/old"}) == "(nil)"; });
}

}  // namespace
}  // namespace parley::storage

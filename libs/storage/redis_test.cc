#include "libs/storage/redis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "libs/storage/redis_await.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using std::chrono::milliseconds;
using test::RedisServer;
using test::RunUntil;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class RedisTest : public testing::Test {
 protected:
  explicit RedisTest(std::vector<std::string> arguments = {}) : server_(std::move(arguments)) {
    options_ = server_.options();
    options_.command_timeout = milliseconds(300);
    options_.reconnect_min = milliseconds(5);
    options_.reconnect_max = milliseconds(50);
  }

  void Connect() {
    redis_.emplace(loop_, options_);
    Turn([this] { return redis_->up() && redis_->pending() == 0; });
  }

  void Turn(const std::function<bool()>& condition) { RunUntil(loop_, condition); }

  // The reply as text; "!" and the reason of a failure.
  Redis::Done Keep(std::vector<std::string>& replies) {
    return [&replies](const Result<Reply>& reply) { replies.push_back(Text(reply)); };
  }

  static std::string Text(const Result<Reply>& reply) {
    if (!reply) return "!" + reply.error().message();
    if (reply->kind == Reply::Kind::kInteger) return std::to_string(reply->integer);
    return reply->is_nil() ? "(nil)" : reply->text;
  }

  std::string Do(const std::vector<std::string_view>& words) {
    std::vector<std::string> replies;
    redis_->Command(words, Keep(replies));
    EXPECT_TRUE(replies.empty()) << "a callback came from inside the call";
    Turn([&] { return !replies.empty(); });
    return replies.empty() ? "" : replies.front();
  }

  std::string Run(const Script& script, const std::vector<std::string_view>& keys,
                  const std::vector<std::string_view>& arguments) {
    std::vector<std::string> replies;
    redis_->Eval(script, keys, arguments, Keep(replies));
    Turn([&] { return !replies.empty(); });
    return replies.empty() ? "" : replies.front();
  }

  RedisServer server_;
  RedisOptions options_;
  Loop loop_;
  std::optional<Redis> redis_;
};

TEST_F(RedisTest, AnswersCommands) {
  Connect();
  EXPECT_EQ(Do({"SET", "key", std::string_view("a\0\r\n", 4)}), "OK");
  EXPECT_EQ(Do({"GET", "key"}), std::string("a\0\r\n", 4));
  EXPECT_EQ(Do({"GET", "other"}), "(nil)");
  EXPECT_EQ(Do({"STRLEN", "key"}), "4");
  EXPECT_THAT(Do({"NONSENSE"}), StartsWith("!ERR unknown command"));
}

TEST_F(RedisTest, ConnectsByTcpAndName) {
  options_ = server_.tcp_options();
  options_.host = "localhost";
  Connect();
  EXPECT_EQ(Do({"PING"}), "PONG");
}

TEST_F(RedisTest, PipelinesInOrder) {
  Connect();
  constexpr int kCommands = 5000;
  std::vector<std::string> replies;
  for (int i = 0; i < kCommands; ++i) redis_->Command({"INCR", "counter"}, Keep(replies));
  EXPECT_EQ(redis_->pending(), static_cast<std::size_t>(kCommands));
  Turn([&] { return replies.size() == kCommands; });
  for (int i = 0; i < kCommands; ++i) ASSERT_EQ(replies[static_cast<std::size_t>(i)], std::to_string(i + 1));
}

TEST_F(RedisTest, CommandsFromCallbacksFollowInOrder) {
  Connect();
  std::vector<std::string> replies;
  redis_->Command({"APPEND", "log", "a"}, [&](const Result<Reply>&) {
    redis_->Command({"APPEND", "log", "c"}, Keep(replies));
  });
  redis_->Command({"APPEND", "log", "b"}, Keep(replies));
  Turn([&] { return replies.size() == 2; });
  EXPECT_EQ(Do({"GET", "log"}), "abc");
}

TEST_F(RedisTest, LargeValuesGoThrough) {
  Connect();
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(Do({"SET", "large", large}), "OK");
  EXPECT_EQ(Do({"GET", "large"}), large);
}

TEST_F(RedisTest, BoundsWhatIsPending) {
  options_.max_pending = 3;
  Connect();
  std::vector<std::string> replies;
  for (int i = 0; i < 5; ++i) redis_->Command({"PING"}, Keep(replies));
  EXPECT_TRUE(replies.empty());
  Turn([&] { return replies.size() == 5; });
  EXPECT_THAT(replies, testing::UnorderedElementsAre("PONG", "PONG", "PONG", "!redis: too many commands",
                                                     "!redis: too many commands"));
  EXPECT_EQ(redis_->counters().rejected, 2u);
}

TEST_F(RedisTest, FailsAtOnceWhileAwayAndReconnects) {
  Connect();
  std::vector<bool> states;
  redis_->OnState([&](bool up) { states.push_back(up); });
  server_.Kill();
  Turn([&] { return !redis_->up(); });
  EXPECT_THAT(Do({"PING"}), StartsWith("!redis: not connected"));
  server_.Start();
  Turn([&] { return redis_->up(); });
  EXPECT_EQ(Do({"PING"}), "PONG");
  EXPECT_THAT(states, ElementsAre(true, false, true));
  EXPECT_EQ(redis_->counters().connects, 2u);
}

TEST_F(RedisTest, CommandsInFlightFailWhenTheConnectionBreaks) {
  Connect();
  std::vector<std::string> replies;
  server_.Pause();
  for (int i = 0; i < 3; ++i) redis_->Command({"INCR", "counter"}, Keep(replies));
  test::RunFor(loop_, milliseconds(5));
  server_.Kill();
  Turn([&] { return replies.size() == 3; });
  for (const auto& reply : replies) EXPECT_THAT(reply, StartsWith("!redis: "));
}

TEST_F(RedisTest, ServerThatDoesNotAnswerIsGivenUp) {
  Connect();
  server_.Pause();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Do({"PING"}), "!redis: timeout");
  EXPECT_GE(std::chrono::steady_clock::now() - start, options_.command_timeout);
  EXPECT_FALSE(redis_->up());
  EXPECT_GE(redis_->counters().timeouts, 1u);
  server_.Resume();
  Turn([&] { return redis_->up(); });
}

TEST_F(RedisTest, IdleConnectionNoticesADeadServer) {
  Connect();
  server_.Pause();
  Turn([&] { return !redis_->up(); });
  server_.Resume();
}

TEST_F(RedisTest, ConnectTimeoutCoversAServerThatAcceptsAndSaysNothing) {
  options_.connect_timeout = milliseconds(100);
  server_.Pause();
  redis_.emplace(loop_, options_);
  Turn([&] { return redis_->counters().timeouts >= 2; });
  server_.Resume();
  Turn([&] { return redis_->up(); });
}

TEST_F(RedisTest, SelectsItsDatabase) {
  options_.database = 3;
  Connect();
  Do({"SET", "key", "value"});
  EXPECT_THAT(server_.Call({"INFO", "keyspace"}), HasSubstr("db3:keys=1"));
}

TEST_F(RedisTest, LeavesAServerThatBecameAReplica) {
  Connect();
  // Of a primary that cannot be reached.
  server_.Call({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_THAT(Do({"SET", "key", "value"}), StartsWith("!READONLY"));
  EXPECT_THAT(redis_->failure(), HasSubstr("read-only replica"));
  Turn([&] { return redis_->counters().connects >= 2; });
  EXPECT_EQ(redis_->failure(), "");
  server_.Call({"REPLICAOF", "NO", "ONE"});
}

TEST_F(RedisTest, AsksAReplicaEachTimeALittleLater) {
  options_.reconnect_max = std::chrono::hours(1);
  Connect();
  server_.Call({"REPLICAOF", "127.0.0.1", "1"});
  std::vector<std::chrono::steady_clock::time_point> connected;
  redis_->OnState([&](bool up) {
    if (!up) return;
    connected.push_back(std::chrono::steady_clock::now());
    redis_->Command({"SET", "key", "value"}, [](const Result<Reply>&) {});
  });
  Turn([&] { return connected.size() >= 8; });
  // At least half of reconnect_min, twice as much each time.
  EXPECT_GE(connected[7] - connected[6], options_.reconnect_min / 2 * 64);
}

class FullDiskTest : public RedisTest {
 protected:
  FullDiskTest() : RedisTest({"--enable-protected-configs", "yes"}) {}
};

// It cannot save: it refuses writes, and PING.
TEST_F(FullDiskTest, ReadsGoOn) {
  server_.Call({"CONFIG", "SET", "save", "3600 1000000", "dir", std::make_unique<test::TemporaryDirectory>()->path()});
  server_.Call({"BGSAVE"});
  Connect();
  Turn([&] { return server_.Call({"INFO", "persistence"}).find("rdb_last_bgsave_status:err") != std::string::npos; });
  EXPECT_THAT(Do({"PING"}), StartsWith("!MISCONF"));
  redis_.reset();
  Connect();
  EXPECT_EQ(Do({"GET", "key"}), "(nil)");
  EXPECT_THAT(Do({"SET", "key", "value"}), StartsWith("!MISCONF"));
}

TEST_F(RedisTest, ExplainsWhetherRedisAnsweredOrCouldNotBeAsked) {
  Connect();
  std::vector<std::string> explained;
  const auto keep = [&](const Result<Reply>& reply) { explained.push_back(reply ? "" : Explain(reply.error())); };
  redis_->Command({"INCR"}, keep);
  Turn([&] { return explained.size() == 1; });
  server_.Kill();
  Turn([&] { return !redis_->up(); });
  redis_->Command({"INCR", "counter"}, keep);
  Turn([&] { return explained.size() == 2; });
  EXPECT_THAT(explained, ElementsAre(StartsWith("Redis refuses it: ERR wrong number of arguments"),
                                     StartsWith("Redis cannot be reached: not connected (")));
}

TEST_F(RedisTest, NoCallbackComesAfterTheEnd) {
  Connect();
  std::vector<std::string> replies;
  for (int i = 0; i < 10; ++i) redis_->Command({"PING"}, Keep(replies));
  redis_->OnState([&](bool) { replies.emplace_back("state"); });
  redis_.reset();
  test::RunFor(loop_, milliseconds(20));
  EXPECT_TRUE(replies.empty());
}

TEST_F(RedisTest, CanEndInsideACallback) {
  Connect();
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    redis_->Command({"PING"}, [&](const Result<Reply>&) {
      ++calls;
      redis_.reset();
    });
  }
  Turn([&] { return calls > 0; });
  test::RunFor(loop_, milliseconds(20));
  EXPECT_EQ(calls, 1);
}

TEST_F(RedisTest, CoroutinesAwaitReplies) {
  Connect();
  Tasks tasks(loop_);
  const Script add("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  std::vector<std::string> replies;
  const auto conversation = [](Redis& redis, const Script& script, std::vector<std::string>& got) -> Task<void> {
    std::vector<std::string> set{"SET", "n", "40"};
    got.push_back(Text(co_await AwaitCommand(redis, set)));
    std::vector<std::string> keys{"n"};
    std::vector<std::string> arguments{"2"};
    got.push_back(Text(co_await AwaitEval(redis, script, keys, arguments)));
  };
  tasks.Spawn("conversation", conversation(*redis_, add, replies));
  Turn([&] { return replies.size() == 2; });
  EXPECT_THAT(replies, ElementsAre("OK", "42"));
}

// Scripts

const Script& Log() {
  static const Script script("redis.call('APPEND', KEYS[1], ARGV[1]) return ARGV[1]");
  return script;
}

TEST_F(RedisTest, ScriptIsSentInFullOnce) {
  Connect();
  EXPECT_EQ(Run(Log(), {"log"}, {"a"}), "a");
  EXPECT_EQ(Run(Log(), {"log"}, {"b"}), "b");
  EXPECT_EQ(redis_->counters().scripts_sent, 1u);
  EXPECT_EQ(Do({"GET", "log"}), "ab");
}

TEST_F(RedisTest, ScriptErrorsAreErrors) {
  Connect();
  EXPECT_THAT(Run(Script("return redis.error_reply('MINE is the fault')"), {}, {}), "!MINE is the fault");
  EXPECT_THAT(Run(Script("this is no Lua"), {}, {}), StartsWith("!ERR Error compiling script"));
  EXPECT_THAT(Run(Script("return redis.error_reply('NOSCRIPT really')"), {}, {}), "!NOSCRIPT really");
}

TEST_F(RedisTest, FlushedScriptsAreSentAgainInOrder) {
  Connect();
  Run(Log(), {"log"}, {"0"});
  const Script other("redis.call('APPEND', KEYS[1], ARGV[1]) return 'other'");
  Run(other, {"log"}, {"1"});
  server_.Call({"SCRIPT", "FLUSH"});
  std::vector<std::string> replies;
  // In flight when the loss is noticed, and given from a callback then.
  redis_->Eval(Log(), {"log"}, {"2"}, Keep(replies));
  redis_->Eval(other, {"log"}, {"3"}, Keep(replies));
  redis_->Command({"PING"}, [&](const Result<Reply>&) {
    redis_->Eval(other, {"log"}, {"5"}, Keep(replies));
    redis_->Command({"APPEND", "log", "6"}, Keep(replies));
  });
  redis_->Eval(Log(), {"log"}, {"4"}, Keep(replies));
  Turn([&] { return replies.size() == 5; });
  EXPECT_EQ(Do({"GET", "log"}), "0123456");
  EXPECT_THAT(replies, ElementsAre("2", "other", "4", "other", "7"));
}

TEST_F(RedisTest, RestartedServerGetsItsScripts) {
  Connect();
  Run(Log(), {"log"}, {"a"});
  server_.Kill();
  Turn([&] { return !redis_->up(); });
  server_.Start();
  Turn([&] { return redis_->up(); });
  EXPECT_EQ(Run(Log(), {"log"}, {"b"}), "b");
}

// Client tracking

class RedisTrackTest : public RedisTest {
 protected:
  void Connect() {
    redis_.emplace(loop_, options_);
    redis_->Track([this](const std::string* key) { invalidated_.push_back(key == nullptr ? "*" : *key); });
    Turn([this] { return redis_->up(); });
  }
  // What was invalidated until a change that comes last.
  std::vector<std::string> Invalidated() {
    Do({"GET", "last"});
    server_.Call({"APPEND", "last", "."});
    Turn([this] { return !invalidated_.empty() && invalidated_.back() == "last"; });
    auto keys = std::exchange(invalidated_, {});
    keys.pop_back();
    return keys;
  }
  std::vector<std::string> invalidated_;
};

TEST_F(RedisTrackTest, NamesKeysThatOthersChanged) {
  Connect();
  Do({"GET", "read"});
  server_.Call({"SET", "read", "1"});
  server_.Call({"SET", "not_read", "1"});
  EXPECT_THAT(Invalidated(), ElementsAre("read"));
  // Told once, until it is read again.
  server_.Call({"SET", "read", "2"});
  EXPECT_THAT(Invalidated(), ElementsAre());
}

TEST_F(RedisTrackTest, OwnWritesAreNotTold) {
  Connect();
  Do({"GET", "key"});
  Do({"SET", "key", "mine"});
  EXPECT_THAT(Invalidated(), ElementsAre());
}

TEST_F(RedisTrackTest, ScriptThatReadsAfterItsWriteStaysTracked) {
  Connect();
  const Script forgetful("return redis.call('HSET', KEYS[1], 'f', ARGV[1])");
  const Script careful("redis.call('HSET', KEYS[1], 'f', ARGV[1]) return redis.call('HLEN', KEYS[1])");
  for (int round = 0; round < 2; ++round) {
    Run(careful, {"careful"}, {"mine"});
    Run(forgetful, {"forgetful"}, {"mine"});
    server_.Call({"HSET", "careful", "f", "theirs"});
    server_.Call({"HSET", "forgetful", "f", "theirs"});
    EXPECT_THAT(Invalidated(), ElementsAre("careful")) << round;
  }
}

TEST_F(RedisTrackTest, FlushForgetsEverything) {
  Connect();
  Do({"GET", "key"});
  server_.Call({"FLUSHALL"});
  EXPECT_THAT(Invalidated(), ElementsAre("*"));
}

TEST_F(RedisTrackTest, BreakForgetsEverythingAndTrackingGoesOn) {
  Connect();
  Do({"GET", "key"});
  server_.Kill();
  Turn([&] { return !redis_->up(); });
  EXPECT_THAT(invalidated_, ElementsAre("*"));
  server_.Start();
  Turn([&] { return redis_->up(); });
  invalidated_.clear();
  Do({"GET", "key"});
  server_.Call({"SET", "key", "1"});
  EXPECT_THAT(Invalidated(), ElementsAre("key"));
}

// Each of the two connections: its loss alone is enough.
class RedisTrackBreakTest : public RedisTrackTest, public testing::WithParamInterface<const char*> {};

TEST_P(RedisTrackBreakTest, EitherConnectionIsEnough) {
  Connect();
  Do({"GET", "key"});
  server_.Call({"CLIENT", "KILL", "TYPE", GetParam()});
  Turn([&] { return redis_->counters().connects == 2 && redis_->up(); });
  EXPECT_THAT(invalidated_, ElementsAre("*"));
  invalidated_.clear();
  Do({"GET", "key"});
  server_.Call({"SET", "key", "1"});
  EXPECT_THAT(Invalidated(), ElementsAre("key"));
}
INSTANTIATE_TEST_SUITE_P(Types, RedisTrackBreakTest, testing::Values("pubsub", "normal"));

TEST_F(RedisTrackTest, CanBeAskedForLate) {
  redis_.emplace(loop_, options_);
  Turn([this] { return redis_->up(); });
  redis_->Track([this](const std::string* key) { invalidated_.push_back(key == nullptr ? "*" : *key); });
  Turn([this] { return redis_->counters().connects == 2; });
  invalidated_.clear();
  Do({"GET", "key"});
  server_.Call({"SET", "key", "1"});
  EXPECT_THAT(Invalidated(), ElementsAre("key"));
}

class RedisPasswordTest : public RedisTrackTest {
 protected:
  RedisPasswordTest() : RedisTrackTest() {
    server_.Call({"CONFIG", "SET", "requirepass", "secret"});
    options_.password = "secret";
  }
};

TEST_F(RedisPasswordTest, AuthenticatesBothConnections) {
  Connect();
  EXPECT_EQ(Do({"PING"}), "PONG");
}

TEST_F(RedisPasswordTest, WrongPasswordStaysDownAndSaysWhy) {
  options_.password = "wrong";
  redis_.emplace(loop_, options_);
  std::string reason;
  Turn([&] {
    redis_->Command({"PING"}, [&](const Result<Reply>& reply) { reason = Text(reply); });
    return reason.find("WRONGPASS") != std::string::npos;
  });
  EXPECT_FALSE(redis_->up());
}

TEST_F(RedisTrackTest, UsersOfAnAclCanConnect) {
  server_.Call({"ACL", "SETUSER", "parley", "on", ">other", "~*", "&*", "+@all"});
  options_.username = "parley";
  options_.password = "other";
  Connect();
  EXPECT_EQ(Do({"ACL", "WHOAMI"}), "parley");
}

}  // namespace
}  // namespace parley::storage

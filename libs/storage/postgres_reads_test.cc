#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "libs/storage/postgres.h"
#include "tests/support/postgres_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::PostgresServer;
using test::RunUntil;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr Statement kOne = {"one", "SELECT 1"};
constexpr Statement kTwice = {"twice", "SELECT 2 * $1::integer"};
constexpr Statement kReverse = {"reverse", "SELECT reverse($1)"};
constexpr Statement kSleep = {"sleep", "SELECT pg_sleep($1::float8)"};
constexpr Statement kDivide = {"divide", "SELECT 6 / $1::integer"};
constexpr Statement kBackend = {"backend", "SELECT pg_backend_pid()"};
constexpr Statement kSetting = {"setting", "SELECT current_setting($1)"};
constexpr Statement kMissing = {"missing", "SELECT count(*) FROM missing"};
constexpr Statement kDie = {"die", "SELECT pg_terminate_backend(pg_backend_pid())"};

class PostgresReadsTest : public testing::Test {
 protected:
  PostgresReadsTest() {
    options_.connections = 1;
    options_.read_connections = 1;
  }

  void Open() {
    postgres_.emplace(loop_, options_, Postgres::Prepare());
    Turn([this] { return postgres_->up(); });
  }
  void Turn(const std::function<bool()>& condition) { RunUntil(loop_, condition, seconds(20)); }

  // The first value of the answer ("nothing" if it has no rows), or "!" and the reason of a failure, in `answers_`.
  void Ask(const Statement& statement, std::vector<std::string> parameters = {}) {
    const auto index = answers_.size();
    answers_.emplace_back();
    postgres_->Read(statement, std::move(parameters), [this, index](const Result<Rows>& rows) {
      EXPECT_TRUE(loop_.on_thread());
      EXPECT_EQ(answers_[index], "") << "answered twice";
      answers_[index] = rows ? (rows->empty() ? "nothing" : (*rows)[0][0].c_str()) : "!" + rows.error().message();
      order_.push_back(index);
    });
    EXPECT_EQ(answers_[index], "") << "a callback came from inside the call";
  }
  std::vector<std::string> Answers() {
    Turn([this] { return order_.size() == answers_.size(); });
    order_.clear();
    return std::exchange(answers_, {});
  }
  std::string Read(const Statement& statement, std::vector<std::string> parameters = {}) {
    Ask(statement, std::move(parameters));
    return Answers().front();
  }
  void Execute(const std::string& sql) const { server_.Execute(options_.database, sql); }
  void KillBackends() const {
    Execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'parley' AND datname = current_database()");
  }

  PostgresServer& server_ = PostgresServer::Get();
  PostgresOptions options_ = server_.NewDatabase();
  Loop loop_;
  std::optional<Postgres> postgres_;
  std::vector<std::string> answers_;
  std::vector<std::size_t> order_;
};

TEST_F(PostgresReadsTest, AnswersInOrder) {
  Open();
  for (int i = 0; i < 200; ++i) Ask(kTwice, {std::to_string(i)});
  Turn([this] { return order_.size() == 200; });
  EXPECT_TRUE(std::is_sorted(order_.begin(), order_.end()));
  const auto answers = Answers();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(answers[static_cast<std::size_t>(i)], std::to_string(2 * i));
  EXPECT_EQ(postgres_->queued(), 0u);
  EXPECT_EQ(postgres_->counters().jobs, 200u);
}

TEST_F(PostgresReadsTest, ValuesComeAsTheyAre) {
  Open();
  constexpr Statement kValues = {"values",
                                 "SELECT 7::bigint, true, NULL::text, '', 'b''\\\"\xC3\xA9', -1::smallint "
                                 "UNION ALL SELECT 8, false, 'x', 'y', 'z', 2"};
  std::optional<Rows> rows;
  postgres_->Read(kValues, {}, [&](Result<Rows> found) { rows = std::move(*found); });
  Turn([&] { return rows.has_value(); });
  ASSERT_EQ(rows->size(), 2u);
  const auto row = (*rows)[0];
  EXPECT_EQ(row[0].as<std::int64_t>(), 7);
  EXPECT_TRUE(row[1].as<bool>());
  EXPECT_FALSE((*rows)[1][1].as<bool>());
  EXPECT_TRUE(row[2].is_null());
  EXPECT_FALSE(row[3].is_null());
  EXPECT_STREQ(row[4].c_str(), "b'\\\"\xC3\xA9");
  EXPECT_EQ(row[5].as<int>(), -1);
  EXPECT_THROW(row[4].as<int>(), std::runtime_error);
  EXPECT_THROW(row[0].as<bool>(), std::runtime_error);
  EXPECT_THROW(row[5].as<std::uint32_t>(), std::runtime_error);
}

TEST_F(PostgresReadsTest, BigAnswersAndBigQuestionsPass) {
  Open();
  const std::string big(4 << 20, 'x');
  for (int i = 0; i < 8; ++i) Ask(kReverse, {big + std::to_string(i)});
  const auto answers = Answers();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(answers[i], std::to_string(i) + big);
}

TEST_F(PostgresReadsTest, OneThatFailsFailsAlone) {
  Open();
  const std::string backend = Read(kBackend);
  for (const char* divisor : {"1", "0", "2", "0", "0", "3"}) Ask(kDivide, {divisor});
  const auto failed = AllOf(StartsWith("!postgres: "), HasSubstr("division by zero"));
  EXPECT_THAT(Answers(), ElementsAre("6", failed, "3", failed, failed, "2"));
  EXPECT_EQ(Read(kBackend), backend);
  EXPECT_EQ(postgres_->counters().errors, 3u);
  EXPECT_EQ(postgres_->counters().retries, 0u);
}

TEST_F(PostgresReadsTest, WhatCannotBePreparedIsTriedAgainLater) {
  Open();
  for (const Statement* statement : {&kOne, &kMissing, &kMissing, &kBackend}) Ask(*statement);
  const auto failed = HasSubstr("relation \"missing\" does not exist");
  auto answers = Answers();
  EXPECT_THAT(answers[1], failed);
  EXPECT_THAT(answers[2], failed);
  Execute("CREATE TABLE missing (n integer)");
  EXPECT_EQ(Read(kMissing), "0");
}

TEST_F(PostgresReadsTest, OnlyReads) {
  Open();
  Execute("CREATE TABLE t (n integer)");
  constexpr Statement kWrite = {"write", "INSERT INTO t VALUES (1)"};
  EXPECT_THAT(Read(kWrite), HasSubstr("read-only transaction"));
}

TEST_F(PostgresReadsTest, SessionsHaveTheirSettings) {
  options_.session = {"SET jit = off", "SET work_mem = '7MB'"};
  options_.statement_timeout = milliseconds(4321);
  Open();
  EXPECT_EQ(Read(kSetting, {"work_mem"}), "7MB");
  EXPECT_EQ(Read(kSetting, {"statement_timeout"}), "4321ms");
  EXPECT_EQ(Read(kSetting, {"application_name"}), "parley");
}

TEST_F(PostgresReadsTest, ASettingThatIsRefusedIsAFailureToConnect) {
  options_.session = {"SET nonsense = 1"};
  postgres_.emplace(loop_, options_, Postgres::Prepare());
  EXPECT_THAT(Read(kOne), HasSubstr("nonsense"));
  EXPECT_FALSE(postgres_->up());
}

TEST_F(PostgresReadsTest, BrokenConnectionsAreReplaced) {
  options_.read_connections = 3;
  Open();
  Turn([this] { return postgres_->connected_for_reads() == 3; });
  // A backend that is told to die may answer all before it does: until one has not.
  for (int i = 0; i < 3 || (postgres_->counters().retries == 0 && i < 100); ++i) {
    Turn([this] { return postgres_->up(); });
    KillBackends();
    for (int k = 0; k < 100; ++k) Ask(kTwice, {"21"});
    EXPECT_THAT(Answers(), Each("42"));
  }
  EXPECT_GT(postgres_->counters().retries, 0u);
  EXPECT_EQ(postgres_->counters().errors, 0u);
}

TEST_F(PostgresReadsTest, OneThatBreaksItsConnectionIsGivenUp) {
  Open();
  Ask(kTwice, {"1"});
  Ask(kDie);
  Ask(kTwice, {"2"});
  const auto answers = Answers();
  EXPECT_EQ(answers[0], "2");
  EXPECT_THAT(answers[1], StartsWith("!postgres: "));
  // Its neighbour was run as often.
  EXPECT_THAT(answers[2], testing::AnyOf("4", StartsWith("!postgres: ")));
  Turn([this] { return postgres_->up(); });
  EXPECT_EQ(Read(kTwice, {"3"}), "6");
}

TEST_F(PostgresReadsTest, RestartIsSurvived) {
  Open();
  server_.Stop();
  Turn([&] { return postgres_->connected_for_reads() == 0; });
  EXPECT_THAT(Read(kOne), StartsWith("!postgres: "));
  EXPECT_FALSE(postgres_->up());
  server_.Start();
  Turn([&] { return postgres_->up(); });
  EXPECT_EQ(Read(kOne), "1");
}

TEST_F(PostgresReadsTest, WhatIsUnderWayWhenTheServerGoesFailsAtOnce) {
  Open();
  Ask(kSleep, {"3600"});
  Ask(kOne);
  Turn([&] {
    return server_
               .Execute(options_.database,
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' "
                        "AND state = 'active' AND pid <> pg_backend_pid()")[0][0]
               .as<int>() == 1;
  });
  server_.Kill();
  EXPECT_THAT(Answers(), Each(StartsWith("!postgres: ")));
  server_.Start();
  Turn([&] { return postgres_->up(); });
  EXPECT_EQ(Read(kOne), "1");
}

TEST_F(PostgresReadsTest, SlowStatementIsCancelledAlone) {
  options_.statement_timeout = milliseconds(100);
  Open();
  Ask(kSleep, {"60"});
  Ask(kTwice, {"5"});
  EXPECT_THAT(Answers(), ElementsAre(HasSubstr("statement timeout"), "10"));
}

TEST_F(PostgresReadsTest, OthersDoNotWaitForASlowOne) {
  options_.read_connections = 2;
  Open();
  Turn([this] { return postgres_->connected_for_reads() == 2; });
  Ask(kSleep, {"4"});
  Turn([this] { return postgres_->queued() == 0; });
  Ask(kTwice, {"5"});
  Turn([this] { return !order_.empty(); });
  EXPECT_EQ(answers_[1], "10");
  EXPECT_EQ(answers_[0], "");
}

TEST_F(PostgresReadsTest, SilentServerIsGivenUp) {
  options_.statement_timeout = milliseconds(200);
  options_.connect_timeout = milliseconds(1000);
  Open();
  server_.Pause();
  Ask(kOne);
  Ask(kTwice, {"1"});
  EXPECT_THAT(Answers(), Each(HasSubstr("no answer in time")));
  EXPECT_FALSE(postgres_->up());
  EXPECT_GE(postgres_->counters().timeouts, 1u);
  server_.Resume();
  Turn([&] { return postgres_->up(); });
  EXPECT_EQ(Read(kOne), "1");
}

TEST_F(PostgresReadsTest, WhatWaitsTooLongIsNotAsked) {
  options_.statement_timeout = milliseconds(200);
  options_.connect_timeout = seconds(30);
  server_.Pause();
  postgres_.emplace(loop_, options_, Postgres::Prepare());
  Ask(kOne);
  Ask(kOne);
  EXPECT_THAT(Answers(), Each(HasSubstr("no answer in time")));
  EXPECT_EQ(postgres_->queued(), 0u);
  EXPECT_EQ(postgres_->counters().timeouts, 2u);
  server_.Resume();
}

TEST_F(PostgresReadsTest, BoundsItsQueue) {
  options_.max_queue = 2;
  options_.read_connections = 1;
  postgres_.emplace(loop_, options_, Postgres::Prepare());  // not connected yet
  for (int i = 0; i < 5; ++i) Ask(kOne);
  EXPECT_EQ(postgres_->queued(), 2u);
  EXPECT_THAT(Answers(), ElementsAre("1", "1", HasSubstr("too many"), HasSubstr("too many"), HasSubstr("too many")));
  EXPECT_EQ(postgres_->counters().rejected, 3u);
}

TEST_F(PostgresReadsTest, NoCallbackComesAfterTheEnd) {
  Open();
  int calls = 0;
  for (int i = 0; i < 10; ++i) postgres_->Read(kOne, {}, [&](const Result<Rows>&) { ++calls; });
  test::RunFor(loop_, milliseconds(0));
  postgres_.reset();
  test::RunFor(loop_, milliseconds(20));
  EXPECT_EQ(calls, 0);
}

TEST_F(PostgresReadsTest, UnknownHostSaysWhy) {
  options_.host = "/nonexistent";
  postgres_.emplace(loop_, options_, Postgres::Prepare());
  EXPECT_THAT(Read(kOne), StartsWith("!postgres: "));
  EXPECT_THAT(Read(kOne), StartsWith("!postgres: "));
  EXPECT_FALSE(postgres_->up());
}

}  // namespace
}  // namespace parley::storage

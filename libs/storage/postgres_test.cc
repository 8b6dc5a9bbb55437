#include "libs/storage/postgres.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "tests/support/postgres_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::PostgresServer;
using test::RunUntil;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class PostgresTest : public testing::Test {
 protected:
  PostgresTest() { options_.connections = 2; }

  void Open(Postgres::Prepare prepare = {}) {
    pool_.emplace(loop_, options_, std::move(prepare));
    Turn([this] { return pool_->up(); });
  }
  void Turn(const std::function<bool()>& condition) { RunUntil(loop_, condition, seconds(20)); }

  // The value as text; "!" and the reason of a failure.
  std::string Run(const std::function<std::string(pqxx::connection&)>& job) {
    std::optional<std::string> answer;
    pool_->Run<std::string>(job, [&](const Result<std::string>& value) {
      EXPECT_TRUE(loop_.on_thread());
      answer = value ? *value : "!" + value.error().message();
    });
    EXPECT_FALSE(answer) << "a callback came from inside the call";
    Turn([&] { return answer.has_value(); });
    return answer.value_or("nothing");
  }
  std::string Query(const std::string& sql) {
    return Run([sql](pqxx::connection& connection) {
      pqxx::work transaction(connection);
      const auto rows = transaction.exec(sql);
      transaction.commit();
      return rows.empty() ? std::string() : rows[0][0].as<std::string>("");
    });
  }
  std::string Backend() { return Query("SELECT pg_backend_pid()"); }
  void KillBackends() {
    server_.Execute(options_.database,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'parley' AND datname = current_database()");
  }

  PostgresServer& server_ = PostgresServer::Get();
  PostgresOptions options_ = server_.NewDatabase();
  Loop loop_;
  std::optional<Postgres> pool_;
};

TEST_F(PostgresTest, RunsJobs) {
  Open();
  EXPECT_EQ(Query("SELECT 6 * 7"), "42");
  EXPECT_EQ(pool_->queued(), 0u);
}

TEST_F(PostgresTest, PreparesOnEachConnection) {
  Open([](pqxx::connection& connection) { connection.prepare("twice", "SELECT 2 * $1::integer"); });
  const auto twice = [](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    return transaction.exec_prepared1("twice", 21)[0].as<std::string>();
  };
  EXPECT_EQ(Run(twice), "42");
  // One that is killed while it connects has its thread fail jobs for a while.
  Turn([this] { return pool_->counters().connects == options_.connections + options_.read_connections; });
  KillBackends();
  EXPECT_EQ(Run(twice), "42");
}

TEST_F(PostgresTest, ErrorsComeBackAndTheConnectionStays) {
  options_.connections = 1;
  Open();
  const std::string backend = Backend();
  EXPECT_THAT(Query("SELECT nonsense"), AllOf(StartsWith("!postgres: "), HasSubstr("nonsense")));
  EXPECT_EQ(Run([](pqxx::connection&) -> std::string { throw std::runtime_error("mine"); }), "!postgres: mine");
  EXPECT_EQ(Backend(), backend);
  EXPECT_TRUE(pool_->up());
  EXPECT_EQ(pool_->counters().errors, 2u);
}

TEST_F(PostgresTest, JobIsRunAgainOnANewConnection) {
  options_.connections = 1;
  Open();
  Query("CREATE TABLE t (n integer)");
  int runs = 0;
  const auto answer = Run([&](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    transaction.exec("INSERT INTO t VALUES (1)");
    if (++runs == 1) KillBackends();
    transaction.exec("INSERT INTO t VALUES (2)");
    transaction.commit();
    return std::string("done");
  });
  EXPECT_EQ(answer, "done");
  EXPECT_EQ(runs, 2) << answer;
  EXPECT_EQ(Query("SELECT count(*) FROM t"), "2");
  EXPECT_EQ(pool_->counters().retries, 1u);
}

TEST_F(PostgresTest, JobIsNotRunAThirdTime) {
  Open();
  int runs = 0;
  const auto answer = Run([&](pqxx::connection& connection) {
    ++runs;
    KillBackends();
    pqxx::work transaction(connection);
    return transaction.exec1("SELECT 1")[0].as<std::string>();
  });
  EXPECT_THAT(answer, StartsWith("!postgres: "));
  EXPECT_EQ(runs, 2) << answer;
}

// Whether it happened is not known: the caller has to decide.
TEST_F(PostgresTest, JobThatBeganToCommitIsNotRunAgain) {
  Open();
  // Ends its own connection during the commit.
  Query("CREATE TABLE t (n integer)");
  Query(
      "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'");
  Query(
      "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION die()");
  int runs = 0;
  const auto answer = Run([&](pqxx::connection& connection) {
    ++runs;
    pqxx::work transaction(connection);
    transaction.exec("INSERT INTO t VALUES (1)");
    transaction.commit();
    return std::string("done");
  });
  EXPECT_THAT(answer, StartsWith("!postgres: "));
  EXPECT_EQ(runs, 1) << answer;
}

TEST_F(PostgresTest, JobThatBeganToCommitIsInDoubt) {
  Open();
  std::string told;
  const std::function<int(pqxx::connection&)> job = [](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    transaction.exec(
        "CREATE FUNCTION end_now() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'");
    transaction.exec("CREATE TABLE t (n integer)");
    transaction.exec(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION end_now()");
    transaction.exec("INSERT INTO t VALUES (1)");
    transaction.commit();
    return 1;
  };
  pool_->Run<int>(
      job, [&](const Result<int>&) { told = "done or failed"; }, [&](const Error&) { told = "in doubt"; });
  Turn([&] { return !told.empty(); });
  EXPECT_EQ(told, "in doubt");
}

// A statement before the commit fails: it was not done.
TEST_F(PostgresTest, JobThatFailedIsNotInDoubt) {
  Open();
  std::string told;
  const std::function<int(pqxx::connection&)> job = [this](pqxx::connection& connection) {
    KillBackends();
    pqxx::work transaction(connection);
    transaction.exec("SELECT 1");
    transaction.commit();
    return 1;
  };
  pool_->Run<int>(
      job, [&](const Result<int>& result) { told = result ? "done" : "failed"; },
      [&](const Error&) { told = "in doubt"; });
  Turn([&] { return !told.empty(); });
  EXPECT_EQ(told, "failed");
}

TEST_F(PostgresTest, ServerRestartIsSurvived) {
  Open();
  server_.Stop();
  Turn([&] { return !pool_->up(); });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(Query("SELECT 1"), StartsWith("!postgres: "));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(1));
  server_.Start();
  Turn([&] { return pool_->up(); });
  EXPECT_EQ(Query("SELECT 1"), "1");
}

TEST_F(PostgresTest, CrashIsSurvivedWithoutNotice) {
  options_.connections = 1;
  Open();
  server_.Kill();
  server_.Start();
  // The pool's connection is dead, but it may not have looked yet.
  std::string answer;
  Turn([&] { return pool_->up(); });
  while ((answer = Query("SELECT 1")).starts_with("!")) EXPECT_THAT(answer, HasSubstr("postgres"));
  EXPECT_EQ(answer, "1");
}

// A server that takes no writes

class ReadOnlyPostgresTest : public PostgresTest {
 protected:
  ~ReadOnlyPostgresTest() override {
    if (read_only_) Set(false);
  }
  void Set(bool read_only) {
    read_only_ = read_only;
    server_.Set("default_transaction_read_only", read_only ? "on" : "");
  }
  bool read_only_ = false;
};

TEST_F(ReadOnlyPostgresTest, IsNotConnectedTo) {
  Set(true);
  pool_.emplace(loop_, options_, Postgres::Prepare());
  EXPECT_THAT(Query("SELECT 1"), AllOf(StartsWith("!postgres: "), HasSubstr("read-only")));
  EXPECT_FALSE(pool_->up());
  EXPECT_EQ(pool_->connected_for_reads(), 0u);
  Set(false);
  Turn([&] { return pool_->up(); });
  EXPECT_EQ(Query("SELECT 1"), "1");
}

TEST_F(ReadOnlyPostgresTest, IsLeftWhenAWriteFails) {
  options_.connections = 1;
  Open();
  Query("CREATE TABLE t (n integer)");
  const std::string backend = Backend();
  Set(true);
  EXPECT_THAT(Query("INSERT INTO t VALUES (1)"), HasSubstr("read-only"));
  EXPECT_FALSE(pool_->up());
  EXPECT_EQ(pool_->connected(), 0u);
  Set(false);
  Turn([&] { return pool_->up(); });
  EXPECT_NE(Backend(), backend);
  EXPECT_EQ(Query("INSERT INTO t VALUES (2) RETURNING n"), "2");
}

// As after a failover: the connection leads to what is a standby now, the name to the new primary.
TEST_F(ReadOnlyPostgresTest, AWriteIsDoneByWhoTakesIt) {
  options_.connections = 1;
  Open();
  Query("CREATE TABLE t (n integer)");
  Query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
  EXPECT_EQ(Query("INSERT INTO t VALUES (1) RETURNING n"), "1");
  EXPECT_EQ(pool_->counters().retries, 1u);
}

class PostgresFailoverTest : public testing::Test {
 protected:
  static PostgresOptions Of(PostgresOptions options, const std::string& hosts) {
    options.host = hosts;
    options.connections = 1;
    return options;
  }
  void Turn(const std::function<bool()>& condition) { RunUntil(loop_, condition, seconds(20)); }
  // Of the server that does the jobs: it is asked, so that a connection that has broken unnoticed is none.
  std::string Host() {
    std::optional<std::string> host;
    const auto job = [](pqxx::connection& connection) {
      pqxx::nontransaction(connection).exec("SELECT 1");
      return std::string(connection.hostname());
    };
    pool_.Run<std::string>(job, [&](const Result<std::string>& got) { host = got ? *got : got.error().message(); });
    Turn([&] { return host.has_value(); });
    return host.value_or("");
  }

  PostgresServer primary_;
  const PostgresOptions options_ = primary_.NewDatabase();
  const PostgresServer standby_{primary_};
  Loop loop_;
  Postgres pool_{loop_, Of(options_, standby_.host() + "," + primary_.host()), {}};
};

TEST_F(PostgresFailoverTest, GoesToTheOneOfSeveralHostsThatTakesWrites) {
  Turn([this] { return pool_.up(); });
  EXPECT_EQ(Host(), primary_.host());
  primary_.Kill();
  Turn([this] { return !pool_.up(); });
  standby_.Promote();
  Turn([this] { return pool_.up(); });
  EXPECT_EQ(Host(), standby_.host());
}

// The statement's time is no limit of a commit's: it would make one of what only the primary has.
TEST_F(PostgresTest, ACommitThatNoStandbyConfirmsIsNotReportedAsDone) {
  options_.statement_timeout = milliseconds(100);
  options_.session = {"SET synchronous_commit = on"};
  Open();
  Query("CREATE TABLE t (n integer)");
  server_.Set("synchronous_standby_names", "nobody");
  EXPECT_EQ(Query("INSERT INTO t VALUES (1)"), "!postgres: no answer in time");
  server_.Set("synchronous_standby_names", "");
  Turn([&] { return pool_->up(); });
  EXPECT_EQ(Query("INSERT INTO t VALUES (2) RETURNING n"), "2");
}

TEST_F(PostgresTest, SlowStatementIsCancelled) {
  options_.statement_timeout = milliseconds(100);
  Open();
  EXPECT_THAT(Query("SELECT pg_sleep(60)"), HasSubstr("statement timeout"));
}

TEST_F(PostgresTest, SilentServerIsGivenUp) {
  options_.connections = 1;
  options_.statement_timeout = milliseconds(200);
  options_.connect_timeout = milliseconds(1000);
  Open();
  server_.Pause();
  EXPECT_THAT(Query("SELECT 1"), HasSubstr("no answer in time"));
  EXPECT_FALSE(pool_->up());
  EXPECT_GE(pool_->counters().timeouts, 1u);
  server_.Resume();
  Turn([&] { return pool_->up(); });
  EXPECT_EQ(Query("SELECT 1"), "1");
}

TEST_F(PostgresTest, BoundsItsQueue) {
  options_.connections = 1;
  options_.max_queue = 2;
  Open();
  std::atomic<bool> go = false;
  std::atomic<bool> running = false;
  int done = 0;
  std::vector<std::string> failures;
  const auto wait = [&](pqxx::connection&) {
    running = true;
    while (!go) std::this_thread::yield();
    return Ok();
  };
  const auto count = [&](const Result<Ok>& result) {
    ++done;
    if (!result) failures.push_back(result.error().message());
  };
  pool_->Run<Ok>(wait, count);
  Turn([&] { return running.load(); });
  for (int i = 0; i < 3; ++i) pool_->Run<Ok>(wait, count);
  EXPECT_EQ(pool_->queued(), 2u);
  go = true;
  Turn([&] { return done == 4; });
  EXPECT_THAT(failures, ElementsAre(HasSubstr("too many jobs")));
  EXPECT_EQ(pool_->counters().rejected, 1u);
}

TEST_F(PostgresTest, DeadlockIsResolvedByRunningAgain) {
  Open();
  Query("CREATE TABLE t (n integer PRIMARY KEY, v integer)");
  Query("INSERT INTO t VALUES (1, 0), (2, 0)");
  std::atomic<int> first_locked = 0;
  int done = 0;
  const auto cross = [&](int first, int second) {
    return [&, first, second](pqxx::connection& connection) {
      pqxx::work transaction(connection);
      transaction.exec("SET LOCAL deadlock_timeout = '20ms'");
      transaction.exec_params("UPDATE t SET v = v + 1 WHERE n = $1", first);
      ++first_locked;
      while (first_locked < 2) std::this_thread::yield();
      transaction.exec_params("UPDATE t SET v = v + 1 WHERE n = $1", second);
      transaction.commit();
      return Ok();
    };
  };
  const auto count = [&](const Result<Ok>& result) {
    EXPECT_TRUE(result) << result.error().message();
    ++done;
  };
  pool_->Run<Ok>(cross(1, 2), count);
  pool_->Run<Ok>(cross(2, 1), count);
  Turn([&] { return done == 2; });
  EXPECT_EQ(Query("SELECT sum(v) FROM t"), "4");
}

TEST_F(PostgresTest, NoCallbackComesAfterTheEnd) {
  Open();
  int calls = 0;
  for (int i = 0; i < 10; ++i) {
    pool_->Run<Ok>([](pqxx::connection&) { return Ok(); }, [&](const Result<Ok>&) { ++calls; });
  }
  pool_.reset();
  test::RunFor(loop_, milliseconds(20));
  EXPECT_EQ(calls, 0);
}

TEST_F(PostgresTest, WrongPasswordOrHostSaysWhy) {
  options_.host = "/nonexistent";
  pool_.emplace(loop_, options_, Postgres::Prepare());
  EXPECT_THAT(Query("SELECT 1"), StartsWith("!postgres: "));
  EXPECT_FALSE(pool_->up());
}

// Migrations

const std::vector<Migration>& Schema() {
  static const std::vector<Migration> kSchema{
      {2, "fill", "INSERT INTO things SELECT generate_series(1, 10)"},
      {1, "things", "CREATE TABLE things (n integer); CREATE INDEX things_n ON things (n)"},
      {3, "more", "ALTER TABLE things ADD COLUMN name text NOT NULL DEFAULT ''"},
  };
  return kSchema;
}

TEST_F(PostgresTest, MigrationsRunOnceUnderConcurrency) {
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      try {
        const auto connection = ConnectPostgres(options_);
        Migrate(*connection, Schema());
      } catch (const std::exception& error) {
        ++failures;
        ADD_FAILURE() << error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(server_.Execute(options_.database, "SELECT count(*) FROM things")[0][0].as<int>(), 10);
  const auto applied = server_.Execute(options_.database, "SELECT number FROM parley_migrations ORDER BY applied_at");
  ASSERT_EQ(applied.size(), 3u);
  EXPECT_EQ(applied[0][0].as<int>(), 1);
  EXPECT_EQ(applied[2][0].as<int>(), 3);
}

TEST_F(PostgresTest, FailedMigrationLeavesNothingBehind) {
  const auto connection = ConnectPostgres(options_);
  const std::vector<Migration> broken{{1, "good", "CREATE TABLE good ()"},
                                      {2, "bad", "CREATE TABLE half (); SELECT nonsense"}};
  EXPECT_THROW(Migrate(*connection, broken), std::exception);
  const auto tables = server_.Execute(options_.database, "SELECT to_regclass('good'), to_regclass('half')");
  EXPECT_FALSE(tables[0][0].is_null());
  EXPECT_TRUE(tables[0][1].is_null());
  Migrate(*connection, {broken[0], {2, "bad", "CREATE TABLE half ()"}});
}

TEST_F(PostgresTest, MigrationsOfAnotherProgramAreNoticed) {
  const auto connection = ConnectPostgres(options_);
  Migrate(*connection, {{1, "ours", "SELECT 1"}});
  EXPECT_THROW(Migrate(*connection, {{1, "theirs", "SELECT 1"}}), std::runtime_error);
}

}  // namespace
}  // namespace parley::storage

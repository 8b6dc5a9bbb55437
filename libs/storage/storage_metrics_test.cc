#include "libs/storage/storage_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/storage/postgres.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

TEST(StorageMetricsTest, FollowTheClients) {
  test::RedisServer redis_server;
  Loop loop;
  telemetry::Metrics metrics;
  Redis redis(loop, redis_server.options());
  Postgres postgres(loop, test::PostgresServer::Get().NewDatabase(), {});
  const RedisMetrics redis_metrics(loop, metrics, redis);
  const PostgresMetrics postgres_metrics(loop, metrics, postgres);
  redis.Command({"PING"}, [](const Result<Reply>&) {});  // too early: refused
  test::RunUntil(loop, [&] {
    const std::string text = metrics.Text();
    return text.find("parley_redis_up 1") != std::string::npos &&
           text.find("parley_redis_rejected_total 1") != std::string::npos &&
           text.find("parley_postgres_up 1") != std::string::npos;
  });
}

TEST(StorageMetricsTest, TimeWhatIsAsked) {
  test::RedisServer redis_server;
  Loop loop;
  telemetry::Metrics metrics;
  Redis redis(loop, redis_server.options());
  Postgres postgres(loop, test::PostgresServer::Get().NewDatabase(), {});
  const RedisMetrics redis_metrics(loop, metrics, redis);
  const PostgresMetrics postgres_metrics(loop, metrics, postgres);
  test::RunUntil(loop, [&] { return redis.up() && postgres.up(); });
  int done = 0;
  const Script script("return 1");
  redis.Command({"PING"}, [&](const Result<Reply>&) { ++done; });
  redis.Eval(script, {}, {}, [&](const Result<Reply>&) { ++done; });
  std::function<int(pqxx::connection&)> job = [](pqxx::connection& connection) {
    return pqxx::nontransaction(connection).exec1("SELECT 1")[0].as<int>();
  };
  postgres.Run<int>(job, [&](Result<int>) { ++done; });
  constexpr Statement kOne = {"one", "SELECT 1"};
  postgres.Read(kOne, {}, [&](const Result<Rows>&) { ++done; });
  test::RunUntil(loop, [&] { return done == 4; });
  const std::string text = metrics.Text();
  for (const char* line : {"parley_redis_command_seconds_count 2", "parley_postgres_job_seconds_count 1",
                           "parley_postgres_wait_seconds_count 1", "parley_postgres_read_seconds_count 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
  EXPECT_GE(postgres.connected(), 1u);
}

}  // namespace
}  // namespace parley::storage

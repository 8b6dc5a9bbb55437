#include "libs/storage/storage_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/storage/postgres.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::storage {
namespace {

class StorageMetricsTest : public ::testing::Test {
 protected:
  test::RedisServer redis_server_;
  Loop loop_;
  telemetry::Metrics metrics_;
  Redis redis_{loop_, redis_server_.options()};
  Postgres postgres_{loop_, test::PostgresServer::Get().NewDatabase(), {}};
  const RedisMetrics redis_metrics_{loop_, metrics_, redis_};
  const PostgresMetrics postgres_metrics_{loop_, metrics_, postgres_};
};

TEST_F(StorageMetricsTest, FollowTheClients) {
  redis_.Command({"PING"}, [](const Result<Reply>&) {});  // too early: refused
  test::RunUntil(loop_, [&] {
    const std::string text = metrics_.Text();
    return text.find("parley_redis_up 1") != std::string::npos &&
           text.find("parley_redis_rejected_total 1") != std::string::npos &&
           text.find("parley_postgres_up 1") != std::string::npos;
  });
}

TEST_F(StorageMetricsTest, TimeWhatIsAsked) {
  test::RunUntil(loop_, [&] { return redis_.up() && postgres_.up(); });
  int done = 0;
  const Script script("return 1");
  redis_.Command({"PING"}, [&](const Result<Reply>&) { ++done; });
  redis_.Eval(script, {}, {}, [&](const Result<Reply>&) { ++done; });
  std::function<int(pqxx::connection&)> job = [](pqxx::connection& connection) {
    return pqxx::nontransaction(connection).exec1("SELECT 1")[0].as<int>();
  };
  postgres_.Run<int>(job, [&](Result<int>) { ++done; });
  constexpr Statement kOne = {"one", "SELECT 1"};
  postgres_.Read(kOne, {}, [&](const Result<Rows>&) { ++done; });
  test::RunUntil(loop_, [&] { return done == 4; });
  const std::string text = metrics_.Text();
  for (const char* line : {"parley_redis_command_seconds_count 2", "parley_postgres_job_seconds_count 1",
                           "parley_postgres_wait_seconds_count 1", "parley_postgres_read_seconds_count 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << " is not in\n" << text;
  }
  EXPECT_GE(postgres_.connected(), 1u);
}

}  // namespace
}  // namespace parley::storage

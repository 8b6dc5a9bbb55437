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

}  // namespace
}  // namespace parley::storage

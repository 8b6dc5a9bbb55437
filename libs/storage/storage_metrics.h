#pragma once

#include <memory>

#include "libs/base/loop.h"
#include "libs/storage/redis.h"
#include "libs/telemetry/metrics.h"

// What the clients count, as Prometheus metrics; looked at once a second.
namespace parley::storage {

class Postgres;

// parley_redis_*. `redis` outlives it.
class RedisMetrics {
 public:
  RedisMetrics(Loop& loop, telemetry::Metrics& metrics, Redis& redis);
  ~RedisMetrics();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// parley_postgres_*. `postgres` outlives it.
class PostgresMetrics {
 public:
  PostgresMetrics(Loop& loop, telemetry::Metrics& metrics, Postgres& postgres);
  ~PostgresMetrics();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::storage

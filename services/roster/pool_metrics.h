#pragma once

#include <chrono>

#include "libs/base/loop.h"
#include "libs/storage/postgres.h"
#include "libs/telemetry/metrics.h"

namespace parley::roster {

// Shows what the pool of PostgreSQL connections counts.
class PoolMetrics {
 public:
  PoolMetrics(Loop& loop, const storage::Postgres& postgres, telemetry::Metrics& metrics,
              std::chrono::milliseconds period = std::chrono::seconds(1));

 private:
  void Show();

  const storage::Postgres& postgres_;
  prometheus::Gauge& up_;
  prometheus::Gauge& queued_;
  prometheus::Counter& jobs_;
  prometheus::Counter& errors_;
  prometheus::Counter& rejected_;
  prometheus::Counter& retries_;
  prometheus::Counter& timeouts_;
  prometheus::Counter& connects_;
  Loop::Timer timer_;
};

}  // namespace parley::roster

#include "services/roster/pool_metrics.h"

namespace parley::roster {
namespace {

void RaiseTo(prometheus::Counter& counter, std::uint64_t value) {
  counter.Increment(static_cast<double>(value) - counter.Value());
}

}  // namespace

PoolMetrics::PoolMetrics(Loop& loop, const storage::Postgres& postgres, telemetry::Metrics& metrics,
                         std::chrono::milliseconds period)
    : postgres_(postgres),
      up_(metrics.Gauge("parley_roster_postgres_up", "Whether PostgreSQL answers")),
      queued_(metrics.Gauge("parley_roster_postgres_queue", "Transactions waiting for a connection")),
      jobs_(metrics.Counter("parley_roster_postgres_jobs_total", "Transactions begun or refused")),
      errors_(metrics.Counter("parley_roster_postgres_errors_total", "Transactions that failed")),
      rejected_(metrics.Counter("parley_roster_postgres_rejected_total", "Transactions refused for a full queue")),
      retries_(metrics.Counter("parley_roster_postgres_retries_total", "Transactions that were run once more")),
      timeouts_(metrics.Counter("parley_roster_postgres_timeouts_total", "Transactions cut off without an answer")),
      connects_(metrics.Counter("parley_roster_postgres_connects_total", "Connections made")),
      timer_(loop.Every(period, [this] { Show(); })) {}

void PoolMetrics::Show() {
  const auto counters = postgres_.counters();
  up_.Set(postgres_.up() ? 1 : 0);
  queued_.Set(static_cast<double>(postgres_.queued()));
  RaiseTo(jobs_, counters.jobs);
  RaiseTo(errors_, counters.errors);
  RaiseTo(rejected_, counters.rejected);
  RaiseTo(retries_, counters.retries);
  RaiseTo(timeouts_, counters.timeouts);
  RaiseTo(connects_, counters.connects);
}

}  // namespace parley::roster

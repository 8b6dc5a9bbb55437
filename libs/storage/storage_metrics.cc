#include "libs/storage/storage_metrics.h"

#include <vector>

#include "libs/storage/postgres.h"

namespace parley::storage {
namespace {

constexpr std::chrono::seconds kPeriod{1};

double Seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// A counter that follows a number which only rises.
template <class Counters>
struct Followed {
  prometheus::Counter& counter;
  std::uint64_t Counters::*number;
  std::uint64_t before = 0;

  void Follow(const Counters& counters) {
    counter.Increment(static_cast<double>(counters.*number - before));
    before = counters.*number;
  }
};

}  // namespace

struct RedisMetrics::State {
  State(telemetry::Metrics& metrics, Redis& redis_)
      : redis(redis_),
        up(metrics.Gauge("parley_redis_up", "1 while Redis is connected and ready")),
        pending(metrics.Gauge("parley_redis_pending_commands", "Commands that await their replies")) {
    const auto follow = [&](const char* name, const char* help, std::uint64_t RedisCounters::*number) {
      counters.push_back({metrics.Counter(name, help), number});
    };
    follow("parley_redis_commands_total", "Commands sent to Redis", &RedisCounters::commands);
    follow("parley_redis_errors_total", "Error replies, and commands that a break cut off", &RedisCounters::errors);
    follow("parley_redis_rejected_total", "Commands refused: not connected, or redis.max_pending",
           &RedisCounters::rejected);
    follow("parley_redis_timeouts_total", "Connections given up because Redis did not answer in time",
           &RedisCounters::timeouts);
    follow("parley_redis_connects_total", "Connections made", &RedisCounters::connects);
    follow("parley_redis_scripts_sent_total", "Scripts sent in full", &RedisCounters::scripts_sent);
    follow("parley_redis_invalidations_total", "Keys that others changed", &RedisCounters::invalidations);
    auto& seconds = metrics.Histogram("parley_redis_command_seconds", "Time from a command to its reply");
    redis_.OnReply([&seconds](auto time) { seconds.Observe(Seconds(time)); });
  }

  void Update() {
    up.Set(redis.up() ? 1 : 0);
    pending.Set(static_cast<double>(redis.pending()));
    for (auto& counter : counters) counter.Follow(redis.counters());
  }

  const Redis& redis;
  prometheus::Gauge& up;
  prometheus::Gauge& pending;
  std::vector<Followed<RedisCounters>> counters;
  Loop::Timer timer;
};

RedisMetrics::RedisMetrics(Loop& loop, telemetry::Metrics& metrics, Redis& redis)
    : state_(std::make_unique<State>(metrics, redis)) {
  state_->timer = loop.Every(kPeriod, [state = state_.get()] { state->Update(); });
}
RedisMetrics::~RedisMetrics() = default;

struct PostgresMetrics::State {
  State(telemetry::Metrics& metrics, Postgres& postgres_)
      : postgres(postgres_),
        up(metrics.Gauge("parley_postgres_up", "1 if the last attempt to use the database worked")),
        queued(metrics.Gauge("parley_postgres_queued_jobs", "Transactions and reads that wait for a connection")),
        connections(metrics.Gauge("parley_postgres_connections", "Open connections for transactions")),
        read_connections(metrics.Gauge("parley_postgres_read_connections", "Open connections for reads")) {
    const auto follow = [&](const char* name, const char* help, std::uint64_t PostgresCounters::*number) {
      counters.push_back({metrics.Counter(name, help), number});
    };
    follow("parley_postgres_jobs_total", "Transactions and reads asked for", &PostgresCounters::jobs);
    follow("parley_postgres_errors_total", "Transactions and reads that failed", &PostgresCounters::errors);
    follow("parley_postgres_rejected_total", "Transactions and reads refused: postgres.max_queue",
           &PostgresCounters::rejected);
    follow("parley_postgres_retries_total", "Transactions and reads run again after a break or a deadlock",
           &PostgresCounters::retries);
    follow("parley_postgres_timeouts_total", "Transactions and reads cut off because the server fell silent",
           &PostgresCounters::timeouts);
    follow("parley_postgres_connects_total", "Connections made", &PostgresCounters::connects);
    auto& waiting = metrics.Histogram("parley_postgres_wait_seconds", "Time that a job waited for a connection");
    auto& running = metrics.Histogram("parley_postgres_job_seconds", "Time that a job had its connection");
    postgres_.OnJob([&waiting, &running](auto waited, auto ran) {
      waiting.Observe(Seconds(waited));
      running.Observe(Seconds(ran));
    });
    auto& reading = metrics.Histogram("parley_postgres_read_seconds", "Time from asking for a read to its answer");
    postgres_.OnRead([&reading](auto time) { reading.Observe(Seconds(time)); });
  }

  void Update() {
    up.Set(postgres.up() ? 1 : 0);
    queued.Set(static_cast<double>(postgres.queued()));
    connections.Set(static_cast<double>(postgres.connected()));
    read_connections.Set(static_cast<double>(postgres.connected_for_reads()));
    const PostgresCounters now = postgres.counters();
    for (auto& counter : counters) counter.Follow(now);
  }

  const Postgres& postgres;
  prometheus::Gauge& up;
  prometheus::Gauge& queued;
  prometheus::Gauge& connections;
  prometheus::Gauge& read_connections;
  std::vector<Followed<PostgresCounters>> counters;
  Loop::Timer timer;
};

PostgresMetrics::PostgresMetrics(Loop& loop, telemetry::Metrics& metrics, Postgres& postgres)
    : state_(std::make_unique<State>(metrics, postgres)) {
  state_->timer = loop.Every(kPeriod, [state = state_.get()] { state->Update(); });
}
PostgresMetrics::~PostgresMetrics() = default;

}  // namespace parley::storage

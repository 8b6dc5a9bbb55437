#include "libs/storage/postgres.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "libs/base/log.h"
#include "libs/storage/postgres_connection.h"
#include "libs/storage/postgres_reads.h"

namespace parley::storage {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// An idle thread looks so often whether its connection still is one. No setting: a job finds out by itself.
constexpr milliseconds kIdleCheck{500};

struct Job {
  std::function<void(pqxx::connection&)> work;
  std::function<void(const Error*)> done;
  Postgres::InDoubt in_doubt;
  Clock::time_point submitted = Clock::now();
};

struct Times {
  Clock::duration waited{};
  Clock::duration ran{};
};

// What a pool thread has in hand; the watchdog looks at it. Guarded by the pool's mutex.
struct Worker {
  std::unique_ptr<PostgresConnection> connection;           // replaced by the thread alone
  Clock::time_point cut_off_at = Clock::time_point::max();  // while it waits for the server
  bool was_cut_off = false;
  Clock::time_point next_connect;  // not before, unless another thread's connection works
  std::thread thread;
};

// The server ends the connection (class 57: it shuts down, crashed, or was told to); its last word may come some time
// before the end itself. Or it takes no writes (25006, as of a standby): another one may.
bool SaysGoodbye(const pqxx::sql_error& error) {
  const std::string& state = error.sqlstate();
  return state.starts_with("57P") || state.starts_with("08") || state == "25006";
}

// Then nobody knows whether it was committed. (libpqxx says in_doubt_error only if it has seen the end, too.)
bool IsCommit(const pqxx::sql_error& error) { return error.query().starts_with("COMMIT"); }

enum class Outcome { kDone, kFailed, kInDoubt, kBroken, kRolledBack };

// In all, the first time included.
int MostRuns(Outcome outcome) {
  if (outcome == Outcome::kBroken) return 2;
  return outcome == Outcome::kRolledBack ? 4 : 1;
}

}  // namespace

struct Postgres::State : std::enable_shared_from_this<State> {
  State(Loop& loop_, PostgresOptions options_, Prepare prepare_)
      : loop(loop_), options(std::move(options_)), prepare(std::move(prepare_)) {}

  Loop& loop;
  const PostgresOptions options;
  const Prepare prepare;

  mutable std::mutex mutex;
  std::condition_variable work_or_stop;
  std::condition_variable step_ended;
  std::deque<Job> queue;
  std::vector<Worker> workers;
  PostgresCounters counters;
  std::string last_failure;
  std::function<void(Clock::duration, Clock::duration)> observer;  // loop's thread
  bool stopping = false;
  std::atomic<bool> up = false;
  std::atomic<bool> gone = false;
  Loop::Timer watchdog;

  void Work(Worker& worker);
  bool NextJob(Worker& worker, Job& job);
  void KeepConnected(Worker& worker, std::unique_lock<std::mutex>& lock);
  bool MayConnect(const Worker& worker) const { return up || Clock::now() >= worker.next_connect; }
  bool Connect(Worker& worker, std::unique_lock<std::mutex>& lock);
  void Disconnect(Worker& worker, std::unique_lock<std::mutex>& lock);
  template <class Step>
  void Guarded(Worker& worker, std::unique_lock<std::mutex>& lock, Step step);
  void Execute(Worker& worker, Job job);
  Outcome Attempt(Worker& worker, const Job& job, std::string& failure);
  void Finish(Job job, std::optional<Error> error, std::optional<Times> times);
  void CutOffLate();
  bool Busy() const;
};

void Postgres::State::Work(Worker& worker) {
  for (Job job; NextJob(worker, job);) Execute(worker, std::exchange(job, {}));
}

// False: the pool stops.
bool Postgres::State::NextJob(Worker& worker, Job& job) {
  std::unique_lock lock(mutex);
  while (!stopping && queue.empty()) {
    KeepConnected(worker, lock);
    if (queue.empty()) work_or_stop.wait_for(lock, kIdleCheck, [this] { return stopping || !queue.empty(); });
  }
  if (stopping) return false;
  job = std::move(queue.front());
  queue.pop_front();
  return true;
}

// So that up() tells the truth without a job to find out.
void Postgres::State::KeepConnected(Worker& worker, std::unique_lock<std::mutex>& lock) {
  if (worker.connection && !worker.connection->Quiet()) {
    up = false;
    Disconnect(worker, lock);
  }
  if (!worker.connection && MayConnect(worker)) Connect(worker, lock);
}

bool Postgres::State::Connect(Worker& worker, std::unique_lock<std::mutex>& lock) {
  std::string failure;
  lock.unlock();
  try {
    auto connection = std::make_unique<PostgresConnection>(options);
    lock.lock();
    worker.connection = std::move(connection);
    Guarded(worker, lock, [&] { worker.connection->Prepare(options, prepare); });
  } catch (const std::exception& error) {
    failure = FirstLine(error.what());
    if (!lock.owns_lock()) lock.lock();
    Disconnect(worker, lock);
  }
  up = failure.empty();
  counters.connects += up;
  if (up && !last_failure.empty()) log::Info("postgres_connected", {{"host", options.host}});
  if (!up && failure != last_failure) log::Warn("postgres_connect_failed", {{"reason", failure}});
  if (!up) worker.next_connect = Clock::now() + options.reconnect;
  last_failure = failure;
  return up;
}

// Runs `step`, which waits for the server, without the lock and under the watchdog.
template <class Step>
void Postgres::State::Guarded(Worker& worker, std::unique_lock<std::mutex>& lock, Step step) {
  // Also when it throws.
  struct End {
    State& state;
    Worker& worker;
    std::unique_lock<std::mutex>& lock;
    ~End() {
      lock.lock();
      worker.cut_off_at = Clock::time_point::max();
      state.step_ended.notify_all();
    }
  };
  worker.was_cut_off = false;
  worker.cut_off_at = Clock::now() + 2 * options.statement_timeout;
  lock.unlock();
  const End end{*this, worker, lock};
  step();
}

void Postgres::State::Disconnect(Worker& worker, std::unique_lock<std::mutex>& lock) {
  auto connection = std::move(worker.connection);
  lock.unlock();  // saying goodbye may block
  connection.reset();
  lock.lock();
}

void Postgres::State::Execute(Worker& worker, Job job) {
  const auto started = Clock::now();
  std::string failure;
  Outcome outcome = Attempt(worker, job, failure);
  for (int runs = 1; runs < MostRuns(outcome); ++runs) {
    log::Info("postgres_job_repeated", {{"reason", failure}});
    // At once it could get in the way of the very transaction that it had to give way to.
    if (outcome == Outcome::kRolledBack) std::this_thread::sleep_for(milliseconds(10 * runs));
    {
      const std::lock_guard lock(mutex);
      ++counters.retries;
    }
    outcome = Attempt(worker, job, failure);
  }
  const Times times{started - job.submitted, Clock::now() - started};
  if (outcome == Outcome::kDone) return Finish(std::move(job), std::nullopt, times);
  if (outcome == Outcome::kInDoubt && job.in_doubt) {
    job.done = [in_doubt = std::move(job.in_doubt)](const Error* error) { in_doubt(*error); };
  }
  Finish(std::move(job), Error("postgres: " + failure), times);
}

Outcome Postgres::State::Attempt(Worker& worker, const Job& job, std::string& failure) {
  std::unique_lock lock(mutex);
  if (!worker.connection && (!MayConnect(worker) || !Connect(worker, lock))) {
    failure = last_failure;
    return Outcome::kFailed;
  }
  Outcome outcome = Outcome::kFailed;
  try {
    Guarded(worker, lock, [&] { job.work(worker.connection->get()); });
    outcome = Outcome::kDone;
  } catch (const pqxx::in_doubt_error& error) {
    failure = FirstLine(error.what());
    outcome = Outcome::kInDoubt;
  } catch (const pqxx::deadlock_detected& error) {
    failure = FirstLine(error.what());
    outcome = Outcome::kRolledBack;
  } catch (const pqxx::serialization_failure& error) {
    failure = FirstLine(error.what());
    outcome = Outcome::kRolledBack;
  } catch (const pqxx::sql_error& error) {
    failure = FirstLine(error.what());
    const bool broken = SaysGoodbye(error) || !worker.connection->Alive();
    if (broken) outcome = IsCommit(error) ? Outcome::kInDoubt : Outcome::kBroken;
  } catch (const std::exception& error) {
    failure = FirstLine(error.what());
    if (!worker.connection->Alive()) outcome = Outcome::kBroken;
  }
  if (outcome != Outcome::kDone && worker.was_cut_off) {
    failure = "no answer in time";
    if (outcome != Outcome::kInDoubt) outcome = Outcome::kFailed;
  }
  up = outcome != Outcome::kBroken && worker.connection->Alive();
  if (!up) Disconnect(worker, lock);
  return outcome;
}

void Postgres::State::Finish(Job job, std::optional<Error> error, std::optional<Times> times) {
  if (error) {
    const std::lock_guard lock(mutex);
    ++counters.errors;
  }
  loop.Post([weak = weak_from_this(), done = std::move(job.done), error = std::move(error), times] {
    const auto self = weak.lock();
    if (!self || self->gone) return;
    if (times && self->observer) self->observer(times->waited, times->ran);
    done(error ? &*error : nullptr);
  });
}

void Postgres::State::CutOffLate() {
  const std::lock_guard lock(mutex);
  for (Worker& worker : workers) {
    if (worker.was_cut_off || Clock::now() < worker.cut_off_at) continue;
    worker.was_cut_off = true;
    ++counters.timeouts;
    worker.connection->CutOff();
    log::Warn("postgres_job_cut_off");
  }
}

bool Postgres::State::Busy() const {
  for (const Worker& worker : workers) {
    if (worker.cut_off_at != Clock::time_point::max()) return true;
  }
  return false;
}

Postgres::Postgres(Loop& loop, PostgresOptions options, Prepare prepare)
    : reads_(std::make_unique<PostgresReads>(loop, options)),
      state_(std::make_shared<State>(loop, std::move(options), std::move(prepare))) {
  State& state = *state_;
  state.workers.resize(state.options.connections);
  for (Worker& worker : state.workers) worker.thread = std::thread([&state, &worker] { state.Work(worker); });
  const auto period = std::max(state.options.statement_timeout / 4, milliseconds(10));
  state.watchdog = loop.Every(period, [&state] { state.CutOffLate(); });
}

Postgres::~Postgres() {
  State& state = *state_;
  state.gone = true;
  state.watchdog.Cancel();
  {
    std::unique_lock lock(state.mutex);
    state.stopping = true;
    state.queue.clear();
    state.work_or_stop.notify_all();
    const auto limit = state.options.statement_timeout;
    if (!state.step_ended.wait_for(lock, limit, [&state] { return !state.Busy(); })) {
      for (Worker& worker : state.workers) {
        if (worker.connection) worker.connection->CutOff();
      }
    }
  }
  for (Worker& worker : state.workers) worker.thread.join();
}

void Postgres::Submit(std::function<void(pqxx::connection&)> work, std::function<void(const Error*)> done,
                      InDoubt in_doubt) {
  Job job{std::move(work), std::move(done), std::move(in_doubt)};
  {
    const std::lock_guard lock(state_->mutex);
    ++state_->counters.jobs;
    if (state_->queue.size() < state_->options.max_queue) {
      state_->queue.push_back(std::move(job));
      state_->work_or_stop.notify_one();
      return;
    }
    ++state_->counters.rejected;
  }
  state_->Finish(std::move(job), Error("postgres: too many jobs are waiting"), std::nullopt);
}

void Postgres::Read(const Statement& statement, std::vector<std::string> parameters, ReadDone done) {
  reads_->Read(statement, std::move(parameters), std::move(done));
}

void Postgres::OnJob(std::function<void(Clock::duration, Clock::duration)> ran) { state_->observer = std::move(ran); }
void Postgres::OnRead(std::function<void(Clock::duration)> answered) { reads_->OnRead(std::move(answered)); }

bool Postgres::up() const { return state_->up && reads_->up(); }

std::size_t Postgres::connected() const {
  const std::lock_guard lock(state_->mutex);
  return std::count_if(state_->workers.begin(), state_->workers.end(),
                       [](const Worker& worker) { return worker.connection != nullptr; });
}
std::size_t Postgres::connected_for_reads() const { return reads_->connected(); }

std::size_t Postgres::queued() const {
  const std::lock_guard lock(state_->mutex);
  return state_->queue.size() + reads_->queued();
}

PostgresCounters Postgres::counters() const {
  PostgresCounters sum = reads_->counters();
  const std::lock_guard lock(state_->mutex);
  for (const auto number : {&PostgresCounters::jobs, &PostgresCounters::errors, &PostgresCounters::rejected,
                            &PostgresCounters::retries, &PostgresCounters::timeouts, &PostgresCounters::connects}) {
    sum.*number += state_->counters.*number;
  }
  return sum;
}

}  // namespace parley::storage

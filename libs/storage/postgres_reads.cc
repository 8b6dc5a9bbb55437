#include "libs/storage/postgres_reads.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/storage/postgres_reader.h"

namespace parley::storage {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// On one connection; more wait for another, or for room. No setting: that many keep the server busy for as long as an
// answer travels, and how many wait beyond is postgres.max_queue.
constexpr std::size_t kMostInFlight = 64;
constexpr char kTooLate[] = "no answer in time";

struct Slot {
  std::unique_ptr<PostgresReader> reader;
  bool worked = false;  // this one
  bool hopeful = true;  // it works, or the last attempt to connect did
  Loop::Timer retry;
};

}  // namespace

struct PostgresReads::State {
  State(Loop& loop_, const PostgresOptions& options_)
      : loop(loop_), options(options_), limit(2 * options_.statement_timeout), slots(options_.read_connections) {}

  Loop& loop;
  const PostgresOptions options;
  const milliseconds limit;  // of waiting: for a connection, and for the server
  std::vector<Slot> slots;
  PostgresReader::Reads queue;
  PostgresCounters counters;
  std::function<void(Clock::duration)> observer;
  std::string last_failure;  // of connecting; empty: the last attempt went well, or there was none
  bool dispatch_planned = false;
  Loop::Timer watch;
  std::shared_ptr<State*> alive = std::make_shared<State*>(this);

  void Connect(Slot& slot);
  void OnReady(Slot& slot);
  void OnClosed(Slot& slot, const std::string& reason, PostgresReader::Reads unanswered);
  void RunAgain(PostgresReader::Reads reads);
  void Take(PostgresRead read);
  void Soon(Loop::Task task) const;
  void DispatchSoon();
  void Dispatch();
  PostgresReader* LeastBusy() const;
  void Answer(PostgresRead read, Result<Rows> rows);
  void Fail(PostgresReader::Reads reads, const std::string& reason);
  void Watch();
  void DropLate();
  std::size_t connected() const;
  bool Away() const;
};

void PostgresReads::State::Connect(Slot& slot) {
  PostgresReader::Events events;
  events.ready = [this, &slot] { OnReady(slot); };
  events.answered = [this](PostgresRead read, Result<Rows> rows) { Answer(std::move(read), std::move(rows)); };
  events.not_run = [this](PostgresReader::Reads reads) { RunAgain(std::move(reads)); };
  events.idle = [this] { DispatchSoon(); };
  events.closed = [this, &slot](const std::string& reason, PostgresReader::Reads unanswered) {
    OnClosed(slot, reason, std::move(unanswered));
  };
  slot.reader = std::make_unique<PostgresReader>(loop, options, std::move(events));
}

void PostgresReads::State::OnReady(Slot& slot) {
  slot.worked = slot.hopeful = true;
  ++counters.connects;
  if (!last_failure.empty()) log::Info("postgres_connected", {{"host", options.host}});
  last_failure.clear();
  DispatchSoon();
}

// One that worked is replaced at once, and what it owed is asked for again. While none can be had, reads fail at once.
void PostgresReads::State::OnClosed(Slot& slot, const std::string& reason, PostgresReader::Reads unanswered) {
  const bool worked = std::exchange(slot.worked, false);
  slot.hopeful = worked;
  slot.retry = loop.After(worked ? milliseconds(0) : options.reconnect, [this, &slot] { Connect(slot); });
  if (!worked && reason != last_failure) log::Warn("postgres_connect_failed", {{"reason", reason}});
  if (!worked) last_failure = reason;
  // One event may have broken each of the connections, but not more.
  const auto spent = [this, &reason](const PostgresRead& read) {
    return reason == kTooLate || read.runs > static_cast<int>(slots.size());
  };
  const auto rest = std::stable_partition(unanswered.begin(), unanswered.end(), spent);
  PostgresReader::Reads again(std::make_move_iterator(rest), std::make_move_iterator(unanswered.end()));
  unanswered.erase(rest, unanswered.end());
  if (!again.empty()) log::Info("postgres_reads_repeated", {{"reason", reason}, {"reads", again.size()}});
  counters.retries += again.size();
  RunAgain(std::move(again));
  if (Away()) Fail(std::exchange(queue, {}), reason);
  Fail(std::move(unanswered), reason);
}

// First of all, in their order.
void PostgresReads::State::RunAgain(PostgresReader::Reads reads) {
  queue.insert(queue.begin(), std::make_move_iterator(reads.begin()), std::make_move_iterator(reads.end()));
  DispatchSoon();
}

void PostgresReads::State::Take(PostgresRead read) {
  ++counters.jobs;
  const bool full = queue.size() >= options.max_queue;
  const bool away = Away();
  counters.rejected += full;
  if (!full && !away) {
    queue.push_back(std::move(read));
    return DispatchSoon();
  }
  const auto refused = std::make_shared<PostgresReader::Reads>();
  refused->push_back(std::move(read));
  Soon([this, refused, reason = full ? "too many reads are waiting" : last_failure] {
    Fail(std::move(*refused), reason);
  });
}

void PostgresReads::State::Soon(Loop::Task task) const {
  loop.Post([still = std::weak_ptr(alive), task = std::move(task)] {
    if (!still.expired()) task();
  });
}

void PostgresReads::State::DispatchSoon() {
  if (queue.empty() || std::exchange(dispatch_planned, true)) return;
  loop.AtEndOfTurn([this, still = std::weak_ptr(alive)] {
    if (!still.expired()) Dispatch();
  });
}

// What a turn brought goes together.
void PostgresReads::State::Dispatch() {
  dispatch_planned = false;
  while (!queue.empty()) {
    PostgresReader* reader = LeastBusy();
    if (reader == nullptr) return;
    const auto end =
        queue.begin() + static_cast<std::ptrdiff_t>(std::min(queue.size(), kMostInFlight - reader->in_flight()));
    PostgresReader::Reads batch(std::make_move_iterator(queue.begin()), std::make_move_iterator(end));
    queue.erase(queue.begin(), end);
    reader->Send(std::move(batch));
  }
}

// Of those that have room; the first of equals, whose server process has what it needs in its caches.
PostgresReader* PostgresReads::State::LeastBusy() const {
  PostgresReader* least = nullptr;
  for (const Slot& slot : slots) {
    PostgresReader* reader = slot.reader.get();
    if (reader == nullptr || !reader->ready() || reader->in_flight() >= kMostInFlight) continue;
    if (least == nullptr || reader->in_flight() < least->in_flight()) least = reader;
  }
  return least;
}

void PostgresReads::State::Answer(PostgresRead read, Result<Rows> rows) {
  if (observer) observer(Clock::now() - read.asked);
  counters.errors += !rows;
  if (rows) return read.done(std::move(rows));
  read.done(Error("postgres: " + rows.error().message()));
}

void PostgresReads::State::Fail(PostgresReader::Reads reads, const std::string& reason) {
  for (auto& read : reads) Answer(std::move(read), Error(reason));
}

void PostgresReads::State::Watch() {
  for (Slot& slot : slots) {
    if (!slot.reader->Silent(limit)) continue;
    ++counters.timeouts;
    log::Warn("postgres_job_cut_off");
    slot.reader->Close(kTooLate);
  }
  DropLate();
}

// Who asked has given up.
void PostgresReads::State::DropLate() {
  const auto late = [this](const PostgresRead& read) { return Clock::now() - read.asked >= limit; };
  PostgresReader::Reads dropped;
  while (!queue.empty() && late(queue.front())) {
    dropped.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  counters.timeouts += dropped.size();
  Fail(std::move(dropped), kTooLate);
}

std::size_t PostgresReads::State::connected() const {
  return static_cast<std::size_t>(
      std::count_if(slots.begin(), slots.end(), [](const Slot& slot) { return slot.reader && slot.reader->ready(); }));
}

bool PostgresReads::State::Away() const {
  return std::none_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.hopeful; });
}

PostgresReads::PostgresReads(Loop& loop, const PostgresOptions& options)
    : state_(std::make_unique<State>(loop, options)) {
  for (Slot& slot : state_->slots) state_->Connect(slot);
  const auto period = std::max(options.statement_timeout / 4, milliseconds(10));
  state_->watch = loop.Every(period, [state = state_.get()] { state->Watch(); });
}

PostgresReads::~PostgresReads() = default;

void PostgresReads::Read(const Statement& statement, std::vector<std::string> parameters, Postgres::ReadDone done) {
  PostgresRead read;
  read.statement = &statement;
  read.parameters = std::move(parameters);
  read.done = std::move(done);
  state_->Take(std::move(read));
}

void PostgresReads::OnRead(std::function<void(Clock::duration)> answered) { state_->observer = std::move(answered); }
bool PostgresReads::up() const { return state_->slots.empty() || state_->connected() > 0; }
std::size_t PostgresReads::connected() const { return state_->connected(); }
std::size_t PostgresReads::queued() const { return state_->queue.size(); }
const PostgresCounters& PostgresReads::counters() const { return state_->counters; }

}  // namespace parley::storage

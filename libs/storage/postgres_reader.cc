#include "libs/storage/postgres_reader.h"

#include <libpq-fe.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "libs/base/log.h"
#include "libs/storage/postgres_connection.h"

namespace parley::storage {
namespace {

using boost::asio::posix::stream_descriptor;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

// Statements of ours only read: whatever they are, they can be run again.
constexpr char kReadOnly[] = "SET default_transaction_read_only = on";

// What the server is to answer, in order.
struct Expected {
  enum class Kind { kSetting, kPreparation, kRead, kSync };
  Kind kind;
  PostgresRead read;  // kPreparation: only the statement
};

bool Failed(const PGresult* answer) {
  return PQresultStatus(answer) == PGRES_FATAL_ERROR || PQresultStatus(answer) == PGRES_BAD_RESPONSE;
}

// It ends the connection (class 57: it shuts down, crashed, or was told to), or has forgotten what it was told.
bool LetsGo(const PGresult* answer) {
  const char* state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
  if (state == nullptr) return true;  // libpq's own words: the connection is lost
  const std::string_view code(state);
  return code.starts_with("57P") || code.starts_with("08") || code == "26000";
}

void LogNotice(void*, const char* notice) { log::Debug("postgres_notice", {{"notice", FirstLine(notice)}}); }

}  // namespace

struct PostgresReader::State : std::enable_shared_from_this<State> {
  State(Loop& loop_, const PostgresOptions& options_, Events events_)
      : loop(loop_), options(options_), events(std::move(events_)), descriptor(loop.io()) {}

  Loop& loop;
  const PostgresOptions options;
  Events events;
  std::thread connecting;
  Connection connection;
  stream_descriptor descriptor;  // a duplicate of the connection's
  std::deque<Expected> expected;
  Answer answer;  // of the first of them, not yet complete
  std::set<std::string_view> prepared;
  std::string preparation_failure;  // for the read behind it
  Reads not_run;
  std::size_t reads = 0;
  Clock::time_point waiting_since;
  bool writing = false;
  bool ready = false;
  bool closed = false;

  void Connect();
  void OnConnected(Connection made);
  void Introduce();
  void Send(Reads batch);
  bool SendRead(PostgresRead read);
  void Expect(Expected::Kind kind, PostgresRead read = {});
  void Sync();
  void Write();
  void AwaitAnswers();
  void TakeAnswers();
  void Complete();
  void CompleteRead(PostgresRead read, Answer of_it);
  std::string Problem() const { return FirstLine(PQerrorMessage(connection.get())); }
  void CloseSoon(const std::string& reason);
  void Close(const std::string& reason);
  void Forget();
};

// Blocks for names, certificates and more, hence a thread of its own; all that follows is done on the loop.
void PostgresReader::State::Connect() {
  connecting = std::thread([self = shared_from_this(), text = ConnectionString(options)] {
    const auto made = std::make_shared<Connection>(PQconnectdb(text.c_str()));
    self->loop.Post([weak = std::weak_ptr(self), made] {
      if (const auto state = weak.lock(); state && !state->closed) state->OnConnected(std::move(*made));
    });
  });
}

void PostgresReader::State::OnConnected(Connection made) {
  connecting.join();
  connection = std::move(made);
  if (PQstatus(connection.get()) != CONNECTION_OK) return Close(Problem());
  PQsetNoticeProcessor(connection.get(), LogNotice, nullptr);
  const bool set = PQsetnonblocking(connection.get(), 1) == 0 && PQenterPipelineMode(connection.get()) == 1;
  if (!set) return Close(Problem());
  error_code failure;
  descriptor.assign(dup(PQsocket(connection.get())), failure);
  if (failure) return Close(failure.message());
  AwaitAnswers();
  Introduce();
}

void PostgresReader::State::Introduce() {
  auto settings = LimitStatements(options);
  settings.emplace_back(kReadOnly);
  settings.insert(settings.end(), options.session.begin(), options.session.end());
  for (const auto& setting : settings) {
    if (PQsendQueryParams(connection.get(), setting.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 0) {
      return CloseSoon(Problem());
    }
    Expect(Expected::Kind::kSetting);
  }
  Sync();
}

void PostgresReader::State::Send(Reads batch) {
  for (auto& read : batch) {
    if (!SendRead(std::move(read))) return CloseSoon(Problem());
  }
  Sync();
}

// A read that cannot be sent is expected all the same: it is among what is unanswered at the end.
bool PostgresReader::State::SendRead(PostgresRead read) {
  const Statement& statement = *read.statement;
  PGconn* to = connection.get();
  bool sent = true;
  if (prepared.insert(statement.name).second) {
    sent = PQsendPrepare(to, statement.name, statement.sql, 0, nullptr) == 1;
    PostgresRead preparation;
    preparation.statement = read.statement;
    Expect(Expected::Kind::kPreparation, std::move(preparation));
  }
  std::vector<const char*> values;
  for (const auto& parameter : read.parameters) values.push_back(parameter.c_str());
  sent = sent && PQsendQueryPrepared(to, statement.name, static_cast<int>(values.size()), values.data(), nullptr,
                                     nullptr, 0) == 1;
  ++read.runs;
  ++reads;
  Expect(Expected::Kind::kRead, std::move(read));
  return sent;
}

void PostgresReader::State::Expect(Expected::Kind kind, PostgresRead read) {
  if (expected.empty()) waiting_since = Clock::now();
  expected.push_back({kind, std::move(read)});
}

// The end of what leaves together, which libpq writes now.
void PostgresReader::State::Sync() {
  if (PQpipelineSync(connection.get()) == 0) return CloseSoon(Problem());
  Expect(Expected::Kind::kSync);
  if (!writing) Write();
}

void PostgresReader::State::Write() {
  const int rest = PQflush(connection.get());
  writing = rest == 1;
  if (rest < 0) return CloseSoon(Problem());
  if (rest == 0) return;
  descriptor.async_wait(stream_descriptor::wait_write, [self = shared_from_this()](const error_code& error) {
    if (!self->closed && !error) self->Write();
  });
}

void PostgresReader::State::AwaitAnswers() {
  descriptor.async_wait(stream_descriptor::wait_read, [self = shared_from_this()](const error_code& error) {
    if (self->closed || error) return;
    self->TakeAnswers();
    if (self->closed) return;
    self->events.idle();
    if (!self->closed) self->AwaitAnswers();
  });
}

// libpq gives each answer and then nothing, to say that it was all; behind a sync it does not.
void PostgresReader::State::TakeAnswers() {
  if (PQconsumeInput(connection.get()) == 0) return Close(Problem());
  while (!closed && !expected.empty() && PQisBusy(connection.get()) == 0) {
    Answer next(PQgetResult(connection.get()));
    if (!next && !answer) return;
    const bool whole = !next || PQresultStatus(next.get()) == PGRES_PIPELINE_SYNC;
    if (next) answer = std::move(next);
    if (Failed(answer.get()) && LetsGo(answer.get())) return Close(FirstLine(PQresultErrorMessage(answer.get())));
    if (whole) Complete();
  }
}

void PostgresReader::State::Complete() {
  Expected of = std::move(expected.front());
  expected.pop_front();
  Answer complete = std::move(answer);
  waiting_since = Clock::now();
  const bool failed = Failed(complete.get());
  const bool is_run = !failed && PQresultStatus(complete.get()) != PGRES_PIPELINE_ABORTED;
  switch (of.kind) {
    case Expected::Kind::kSetting:
      if (!is_run) Close(FirstLine(PQresultErrorMessage(complete.get())));
      return;
    case Expected::Kind::kPreparation:
      if (!is_run) prepared.erase(of.read.statement->name);
      if (failed) preparation_failure = FirstLine(PQresultErrorMessage(complete.get()));
      return;
    case Expected::Kind::kRead:
      return CompleteRead(std::move(of.read), std::move(complete));
    case Expected::Kind::kSync:
      if (!std::exchange(ready, true)) return events.ready();
      if (!not_run.empty()) events.not_run(std::exchange(not_run, {}));
      return;
  }
}

void PostgresReader::State::CompleteRead(PostgresRead read, Answer of_it) {
  --reads;
  if (Failed(of_it.get())) {
    return events.answered(std::move(read), Error(FirstLine(PQresultErrorMessage(of_it.get()))));
  }
  if (PQresultStatus(of_it.get()) != PGRES_PIPELINE_ABORTED) {
    return events.answered(std::move(read), Rows(of_it.release()));
  }
  --read.runs;
  if (preparation_failure.empty()) return not_run.push_back(std::move(read));
  events.answered(std::move(read), Error(std::exchange(preparation_failure, {})));
}

// Not from inside a call of the owner.
void PostgresReader::State::CloseSoon(const std::string& reason) {
  loop.Post([weak = weak_from_this(), reason] {
    if (const auto state = weak.lock()) state->Close(reason);
  });
}

void PostgresReader::State::Close(const std::string& reason) {
  if (closed) return;
  const auto self = shared_from_this();  // closed() may destroy the reader
  Reads unanswered = std::move(not_run);
  for (auto& each : expected) {
    if (each.kind == Expected::Kind::kRead) unanswered.push_back(std::move(each.read));
  }
  Forget();
  events.closed(reason, std::move(unanswered));
}

void PostgresReader::State::Forget() {
  closed = true;
  ready = false;
  reads = 0;
  expected.clear();
  error_code ignored;
  descriptor.close(ignored);
  connection.reset();
}

PostgresReader::PostgresReader(Loop& loop, const PostgresOptions& options, Events events)
    : state_(std::make_shared<State>(loop, options, std::move(events))) {
  state_->Connect();
}

PostgresReader::~PostgresReader() {
  state_->Forget();
  if (state_->connecting.joinable()) state_->connecting.join();
}

void PostgresReader::Send(Reads reads) { state_->Send(std::move(reads)); }
bool PostgresReader::ready() const { return state_->ready; }
std::size_t PostgresReader::in_flight() const { return state_->reads; }
void PostgresReader::Close(const std::string& reason) { state_->Close(reason); }

bool PostgresReader::Silent(Clock::duration limit) {
  const auto state = state_;
  const auto late = [&] {
    return !state->closed && !state->expected.empty() && Clock::now() - state->waiting_since >= limit;
  };
  // Late may be we, who were stopped: what has come is still to be read.
  if (late()) state->TakeAnswers();
  return late();
}

}  // namespace parley::storage

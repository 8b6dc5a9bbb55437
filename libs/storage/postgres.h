#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "libs/storage/postgres_rows.h"

namespace parley::storage {

struct PostgresOptions {
  std::string host = "127.0.0.1";  // a directory: unix socket; several, separated by commas: the one that takes writes
  std::uint16_t port = 5432;
  std::string database = "parley";
  std::string user = "parley";
  std::string password;
  std::string tls = "prefer";  // libpq sslmode
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::size_t connections = 4;       // for transactions
  std::size_t read_connections = 2;  // for Postgres::Read
  std::vector<std::string> session;  // what each connection of either kind is told first
  std::size_t max_queue = 10000;     // jobs and as many reads waiting for a connection; more fail at once
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds statement_timeout{5000};
  std::chrono::milliseconds reconnect{500};  // after an attempt to connect that failed; meanwhile jobs fail at once
};

// For metrics; only ever rise.
struct PostgresCounters {
  std::uint64_t jobs = 0;
  std::uint64_t errors = 0;
  std::uint64_t rejected = 0;  // max_queue
  std::uint64_t retries = 0;   // jobs that were run once more
  std::uint64_t timeouts = 0;  // jobs cut off because the server fell silent
  std::uint64_t connects = 0;  // successful ones
};

// A connection with the limits of `options`. Throws pqxx::failure; blocks up to connect_timeout.
std::unique_ptr<pqxx::connection> ConnectPostgres(const PostgresOptions& options);

// Prepared by this name on each connection that it is used on.
struct Statement {
  const char* name;
  const char* sql;
};

class PostgresReads;

// Threads that each own a connection and run jobs on it; and connections on the loop itself for single statements that
// read, for which waking a thread would cost more than the statement.
//
// A server that takes no writes (a standby, a primary that became one) is as good as none: it is not connected to, and
// a connection that turns out to be to one is broken.
//
// A job is one transaction. If its connection broke before it began to commit it is run once more, if the server rolled
// it back for a deadlock some more times; otherwise its error is returned. Other exceptions become errors too. A job
// that writes does so in a pqxx::work (its commit is what tells the two apart), never in a nontransaction. While the
// server is away jobs fail at once, and one that gets no answer for twice the statement timeout is cut off.
class Postgres {
 public:
  // Prepares statements on each new connection.
  using Prepare = std::function<void(pqxx::connection&)>;
  Postgres(Loop& loop, PostgresOptions options, Prepare prepare);
  // Waits for jobs under way; what is still queued is forgotten. No callback comes after it.
  ~Postgres();

  // `job` runs on a pool thread, `done` on the loop's thread. `in_doubt`, if there is one, is called in its place if
  // the job's commit had begun: whether it happened is not known.
  using InDoubt = std::function<void(const Error&)>;
  template <class T>
  void Run(std::function<T(pqxx::connection&)> job, std::function<void(Result<T>)> done, InDoubt in_doubt = {});

  // One statement that reads, with its parameters as text, answered on the loop's thread, never from inside. Many share
  // a connection: they are sent together and answered in order (libpq's pipeline mode). It is run again if its
  // connection breaks; fails at once while the server is away, and after twice the statement timeout in any case.
  // `statement` outlives this object.
  using ReadDone = std::function<void(Result<Rows>)>;
  void Read(const Statement& statement, std::vector<std::string> parameters, ReadDone done);

  // Called for each job that ran: how long it waited for a connection, and how long it had it. Once.
  void OnJob(
      std::function<void(std::chrono::steady_clock::duration waited, std::chrono::steady_clock::duration ran)> ran);
  // Called for each read that was answered, well or not. Once.
  void OnRead(std::function<void(std::chrono::steady_clock::duration)> answered);
  bool up() const;                // the last attempt to use the database worked
  std::size_t connected() const;  // for jobs
  std::size_t connected_for_reads() const;
  std::size_t queued() const;
  PostgresCounters counters() const;

  struct State;

 private:
  // `done(nullptr)` when `work` ran to its end.
  void Submit(std::function<void(pqxx::connection&)> work, std::function<void(const Error*)> done, InDoubt in_doubt);
  std::unique_ptr<PostgresReads> reads_;
  std::shared_ptr<State> state_;
};

// Numbered migrations, each in a transaction, under an advisory lock, recorded in table `parley_migrations`: safe to
// run from many processes at once. Throws on failure, and if the database knows a number by another name.
struct Migration {
  int number;
  std::string name;
  std::string sql;
};
void Migrate(pqxx::connection& connection, const std::vector<Migration>& migrations);

}  // namespace parley::storage

#include "libs/storage/postgres_inl.h"

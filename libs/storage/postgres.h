#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <pqxx/pqxx>
#include <string>

#include "libs/base/loop.h"
#include "libs/base/result.h"

namespace parley::storage {

struct PostgresOptions {
  std::string host = "127.0.0.1";  // a directory: unix socket
  std::uint16_t port = 5432;
  std::string database = "parley";
  std::string user = "parley";
  std::string password;
  std::string tls = "prefer";  // libpq sslmode
  std::size_t connections = 4;
  std::size_t max_queue = 10000;  // jobs waiting for a connection; more fail at once
  std::chrono::milliseconds connect_timeout{3000};
  std::chrono::milliseconds statement_timeout{5000};
};

// Threads that each own a connection and run jobs on it. A job that fails because the connection broke is run once more
// on a new one if it has not begun to commit; otherwise its error is returned. Other exceptions become errors too.
class Postgres {
 public:
  // Prepares statements on each new connection.
  using Prepare = std::function<void(pqxx::connection&)>;
  Postgres(Loop& loop, PostgresOptions options, Prepare prepare);
  ~Postgres();

  // `job` runs on a pool thread, `done` on the loop's thread.
  template <class T>
  void Run(std::function<T(pqxx::connection&)> job, std::function<void(Result<T>)> done);

  bool up() const;  // the last attempt to use the database worked
  std::size_t queued() const;

 private:
  struct State;
  void Submit(std::function<void(pqxx::connection&)> work, std::function<void(const Error&)> failed);
  std::shared_ptr<State> state_;
};

// Numbered migrations, each in a transaction, under an advisory lock, recorded in table `parley_migrations`: safe to
// run from many processes at once.
struct Migration {
  int number;
  std::string name;
  std::string sql;
};
void Migrate(pqxx::connection& connection, const std::vector<Migration>& migrations);

}  // namespace parley::storage

#include "libs/storage/postgres_inl.h"

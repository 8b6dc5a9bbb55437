#pragma once

#include <chrono>
#include <functional>
#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "libs/base/result.h"
#include "libs/storage/postgres.h"
#include "libs/telemetry/metrics.h"

namespace parley::roster {

// What each new connection of the pool gets: the settings that the stores rely on, and their statements (libpqxx
// prepares a statement when it is first used, so the tables need not exist yet).
void PrepareConnection(pqxx::connection& connection);

// How the stores run their transactions: a failure of PostgreSQL becomes the store's one problem, is counted, and
// logged not more than once a second. Loop's thread only.
class Database {
 public:
  template <class T, class Problem>
  using Job = std::function<Result<T, Problem>(pqxx::connection&)>;
  template <class T, class Problem>
  using Reply = std::function<void(Result<T, Problem>)>;

  Database(storage::Postgres& postgres, telemetry::Metrics& metrics);

  // `job` runs on another thread and outlives the caller: it holds values, never `this`.
  template <class T, class Problem>
  void Run(Job<T, Problem> job, Problem failure, Reply<T, Problem> reply) {
    postgres_.Run<Result<T, Problem>>(std::move(job),
                                      [this, failure, reply = std::move(reply)](Result<Result<T, Problem>> result) {
                                        if (result) return reply(std::move(*result));
                                        Failed(result.error());
                                        reply(failure);
                                      });
  }

 private:
  void Failed(const Error& error);

  storage::Postgres& postgres_;
  prometheus::Counter& failures_;
  std::chrono::steady_clock::time_point last_logged_{};
};

}  // namespace parley::roster

#pragma once

#include <chrono>
#include <functional>
#include <pqxx/pqxx>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/result.h"
#include "libs/storage/postgres.h"
#include "libs/telemetry/metrics.h"

namespace parley::roster {

// The settings that the stores rely on.
storage::PostgresOptions WithSession(storage::PostgresOptions options);
// Their statements in transactions (libpqxx prepares a statement when it is first used, so the tables need not exist
// yet).
void PrepareConnection(pqxx::connection& connection);

// A statement that reads, and what its rows say. Asked by itself (Database::Read) or inside a transaction.
template <class T, class Problem>
class Query {
 public:
  using Outcome = Result<T, Problem>;
  // `take` makes an Outcome of rows of either library.
  template <class Take>
  Query(const storage::Statement& statement, std::vector<std::string> parameters, Take take)
      : statement_(statement), parameters_(std::move(parameters)), take_(take), take_in_transaction_(take) {}

  Outcome In(pqxx::transaction_base& tx) const {
    return take_in_transaction_(tx.exec_prepared(statement_.name, pqxx::prepare::make_dynamic_params(parameters_)));
  }

 private:
  friend class Database;
  const storage::Statement& statement_;
  std::vector<std::string> parameters_;
  std::function<Outcome(const storage::Rows&)> take_;
  std::function<Outcome(const pqxx::result&)> take_in_transaction_;
};

// How the stores run their transactions and reads: a failure of PostgreSQL becomes the store's one problem, is counted,
// and logged not more than once a second. Loop's thread only.
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
    postgres_.Run<Result<T, Problem>>(std::move(job), Taking(failure, std::move(reply)));
  }
  // `in_doubt`: the problem if PostgreSQL may have committed it.
  template <class T, class Problem>
  void Run(Job<T, Problem> job, Problem failure, Problem in_doubt, Reply<T, Problem> reply) {
    auto doubted = [this, in_doubt, reply](const Error& error) {
      Failed(error);
      reply(in_doubt);
    };
    postgres_.Run<Result<T, Problem>>(std::move(job), Taking(failure, std::move(reply)), std::move(doubted));
  }

  template <class T, class Problem>
  void Read(Query<T, Problem> query, Problem failure, Reply<T, Problem> reply) {
    postgres_.Read(
        query.statement_, std::move(query.parameters_),
        [this, failure, take = std::move(query.take_), reply = std::move(reply)](Result<storage::Rows> rows) {
          Result<T, Problem> taken = failure;
          try {
            if (rows) taken = take(*rows);
            if (!rows) Failed(rows.error());
          } catch (const std::runtime_error& error) {
            Failed(Error(error.what()));
          }
          reply(std::move(taken));
        });
  }

  // `change` in a transaction of its own.
  template <class T, class Problem>
  void Commit(std::function<T(pqxx::transaction_base&)> change, Problem failure, Reply<T, Problem> reply) {
    Job<T, Problem> job = [change = std::move(change)](pqxx::connection& connection) -> Result<T, Problem> {
      pqxx::work tx(connection);
      T done = change(tx);
      tx.commit();
      return done;
    };
    Run(std::move(job), failure, std::move(reply));
  }

 private:
  template <class T, class Problem>
  std::function<void(Result<Result<T, Problem>>)> Taking(Problem failure, Reply<T, Problem> reply) {
    return [this, failure, reply = std::move(reply)](Result<Result<T, Problem>> result) {
      if (result) return reply(std::move(*result));
      Failed(result.error());
      reply(failure);
    };
  }
  void Failed(const Error& error);

  storage::Postgres& postgres_;
  prometheus::Counter& failures_;
  std::chrono::steady_clock::time_point last_logged_{};
};

}  // namespace parley::roster

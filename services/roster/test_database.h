#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "services/roster/database.h"
#include "services/roster/foundation.h"
#include "tests/support/postgres_server.h"
#include "tests/support/run_until.h"

// For tests: a database of its own on a real PostgreSQL, with the schema and the hosts home.example and other.example.
namespace parley::roster {

class TestDatabase {
 public:
  TestDatabase()
      : options(WithSession(test::PostgresServer::Get().NewDatabase())),
        postgres(loop, options, PrepareConnection),
        database(postgres, metrics) {
    std::function<std::string(pqxx::connection&)> lay = [](pqxx::connection& connection) {
      return LayFoundation(connection, {.domains = {"home.example", "other.example"}});
    };
    secret = *Wait<Result<std::string>>([&](auto done) { postgres.Run<std::string>(lay, done); });
  }

  // Starts something that calls back, and turns the loop until it has.
  template <class T>
  T Wait(std::function<void(std::function<void(T)>)> start) {
    std::optional<T> result;
    start([&](T value) { result = std::move(value); });
    test::RunUntil(loop, [&] { return result.has_value(); });
    return std::move(result.value());
  }

  pqxx::result Sql(const std::string& sql) const { return test::PostgresServer::Get().Execute(options.database, sql); }
  std::string SqlValue(const std::string& sql) const { return Sql(sql)[0][0].c_str(); }

  void AddAccount(const std::string& local, const std::string& domain = "home.example") const {
    Sql("INSERT INTO accounts (host_id, localpart) SELECT id, '" + local + "' FROM hosts WHERE domain = '" + domain +
        "'");
  }

  // Until the end of it, whoever inserts into `table` loses the connection in the middle of the commit.
  class LostCommits {
   public:
    LostCommits(const TestDatabase& db, std::string table) : db_(db), table_(std::move(table)) {
      db_.Sql(
          "CREATE FUNCTION end_now() RETURNS trigger LANGUAGE plpgsql AS "
          "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'");
      db_.Sql("CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON " + table_ +
              " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION end_now()");
    }
    LostCommits(const LostCommits&) = delete;
    LostCommits& operator=(const LostCommits&) = delete;
    ~LostCommits() {
      db_.Sql("DROP TRIGGER at_commit ON " + table_);
      db_.Sql("DROP FUNCTION end_now()");
    }

   private:
    const TestDatabase& db_;
    std::string table_;
  };

  Loop loop;
  telemetry::Metrics metrics;
  storage::PostgresOptions options;
  storage::Postgres postgres;
  Database database;
  std::string secret;
};

}  // namespace parley::roster

#pragma once

#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "libs/storage/postgres.h"

namespace parley::storage {

// For libpq.
std::string ConnectionString(const PostgresOptions& options);
// What each connection is told first.
std::vector<std::string> LimitStatements(const PostgresOptions& options);
// Of what libpq says; the rest is detail.
std::string FirstLine(const char* text);

// One pool thread's connection.
class PostgresConnection {
 public:
  // Throws pqxx::failure.
  explicit PostgresConnection(const PostgresOptions& options);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  pqxx::connection& get() { return *connection_; }
  // Sets the limits, then lets the owner prepare statements.
  void Prepare(const PostgresOptions& options, const Postgres::Prepare& prepare);
  // From any thread: whoever waits for the server gets an error.
  void CutOff() const;
  // As far as can be seen without asking the server.
  bool Alive() const;
  // For a connection that nobody uses: alive, and the server says nothing (it would only speak to say goodbye).
  bool Quiet() const;

 private:
  std::unique_ptr<pqxx::errorhandler> notices_;  // outlives the connection, which has a last word
  std::unique_ptr<pqxx::connection> connection_;
  // A duplicate, so that its number names this socket even after libpq has closed its own.
  int descriptor_;
};

}  // namespace parley::storage

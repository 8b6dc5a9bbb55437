#include <algorithm>
#include <stdexcept>

#include "libs/base/log.h"
#include "libs/storage/postgres.h"

namespace parley::storage {
namespace {

// Any number that nobody else takes: "parley".
constexpr char kLock[] = "SELECT pg_advisory_xact_lock(123571820619129)";
constexpr char kTable[] =
    "CREATE TABLE IF NOT EXISTS parley_migrations ("
    "number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";

// Under the lock, so that of many processes one does it and the others find it done.
void Begin(pqxx::work& transaction) {
  // Another process may be long at it.
  transaction.exec0("SET LOCAL statement_timeout = 0");
  transaction.exec1(kLock);
}

void CreateTable(pqxx::connection& connection) {
  pqxx::work transaction(connection);
  Begin(transaction);
  transaction.exec0("SET LOCAL client_min_messages = warning");
  transaction.exec0(kTable);
  transaction.commit();
}

void Apply(pqxx::connection& connection, const Migration& migration) {
  pqxx::work transaction(connection);
  Begin(transaction);
  const auto known = transaction.exec_params("SELECT name FROM parley_migrations WHERE number = $1", migration.number);
  if (!known.empty()) {
    const auto name = known[0][0].as<std::string>();
    if (name == migration.name) return;
    throw std::runtime_error("migration " + std::to_string(migration.number) + " is '" + migration.name +
                             "' here but '" + name + "' in the database: it belongs to another program");
  }
  transaction.exec(migration.sql);
  transaction.exec_params0("INSERT INTO parley_migrations (number, name) VALUES ($1, $2)", migration.number,
                           migration.name);
  transaction.commit();
  log::Info("migration_applied", {{"number", migration.number}, {"name", migration.name}});
}

}  // namespace

void Migrate(pqxx::connection& connection, const std::vector<Migration>& migrations) {
  auto ordered = migrations;
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  CreateTable(connection);
  for (const Migration& migration : ordered) Apply(connection, migration);
}

}  // namespace parley::storage

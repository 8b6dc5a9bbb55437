#include "services/roster/database.h"

#include <iterator>

#include "libs/base/log.h"
#include "services/roster/accounts/account_rows.h"
#include "services/roster/contacts/roster_rows.h"
#include "services/roster/offline/offline_rows.h"
#include "services/roster/transfer/transfer_rows.h"

namespace parley::roster {
namespace {

// Every statement reaches its rows by a key: a plan that was made while the tables were small must not be one that
// reads them whole once they are big. What is answered as stored is on disk, also where the database's default is
// laxer; stricter settings stay.
constexpr const char* kSession[] = {
    "SET bytea_output = 'hex'",
    "SET jit = off",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"};

}  // namespace

storage::PostgresOptions WithSession(storage::PostgresOptions options) {
  options.session.assign(std::begin(kSession), std::end(kSession));
  return options;
}

void PrepareConnection(pqxx::connection& connection) {
  rows::PrepareAccounts(connection);
  rows::PrepareRoster(connection);
  rows::PrepareOffline(connection);
  rows::PrepareTransfer(connection);
}

Database::Database(storage::Postgres& postgres, telemetry::Metrics& metrics)
    : postgres_(postgres),
      failures_(metrics.Counter("parley_roster_store_failures_total", "Transactions that PostgreSQL did not do")) {}

void Database::Failed(const Error& error) {
  failures_.Increment();
  const auto now = std::chrono::steady_clock::now();
  if (now - last_logged_ < std::chrono::seconds(1)) return;
  last_logged_ = now;
  log::Warn("store_failed", {{"reason", error.message()}, {"failures", static_cast<std::uint64_t>(failures_.Value())}});
}

}  // namespace parley::roster

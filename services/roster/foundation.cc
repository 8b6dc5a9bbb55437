#include "services/roster/foundation.h"

#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "services/roster/schema.h"
#include "services/roster/sql.h"

namespace parley::roster {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr storage::Statement kProbe = {"probe", "SELECT 1"};
// Changes and locks no row; a server that takes no writes refuses it all the same.
constexpr char kWriteNothing[] = "UPDATE settings SET value = value WHERE false";

std::string NewSecret() {
  std::string secret(kSecretBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())) != 1) {
    throw std::runtime_error("no random bytes");
  }
  return secret;
}

void CheckSchema(pqxx::connection& connection) {
  pqxx::nontransaction tx(connection);
  const bool any = !tx.exec1("SELECT to_regclass('parley_migrations')")[0].is_null();
  const auto applied = any ? tx.exec1("SELECT count(*) FROM parley_migrations")[0].as<std::size_t>() : 0;
  if (applied >= Migrations().size()) return;
  throw std::runtime_error(
      "the database's schema is older than this program: run parley-roster --migrate-only, or set "
      "roster.migrate to true");
}

void AddHosts(pqxx::transaction_base& tx, const std::set<std::string>& domains) {
  tx.exec_params("INSERT INTO hosts (domain) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING",
                 sql::TextArray(std::vector<std::string>(domains.begin(), domains.end())));
}

// The first to come makes it, for all.
std::string ClusterSecret(pqxx::transaction_base& tx) {
  tx.exec_params("INSERT INTO settings (key, value) VALUES ('secret', $1) ON CONFLICT DO NOTHING",
                 sql::Bytes(NewSecret()));
  return sql::FromBytes(tx.exec1("SELECT value FROM settings WHERE key = 'secret'")[0]);
}

}  // namespace

std::string LayFoundation(pqxx::connection& connection, const FoundationOptions& options) {
  if (options.migrate) {
    storage::Migrate(connection, Migrations());
  } else {
    CheckSchema(connection);
  }
  pqxx::work tx(connection);
  AddHosts(tx, options.domains);
  auto secret = ClusterSecret(tx);
  tx.commit();
  return secret;
}

Foundation::Foundation(Loop& loop, storage::Postgres& postgres, FoundationOptions options,
                       std::function<void(std::string)> laid)
    : postgres_(postgres),
      options_(std::move(options)),
      laid_(std::move(laid)),
      timer_(loop.Every(options_.period, [this] { Look(); })) {
  Look();
}

std::string Foundation::Missing() const { return problem_; }

void Foundation::Look() {
  if (looking_) return;
  looking_ = true;
  is_laid_ ? Probe() : Lay();
}

void Foundation::Lay() {
  std::function<std::string(pqxx::connection&)> job = [options = options_](pqxx::connection& connection) {
    return LayFoundation(connection, options);
  };
  postgres_.Run<std::string>(std::move(job), [this](Result<std::string> secret) {
    if (!secret) return Report(&secret.error());
    is_laid_ = true;
    log::Info("database_ready", {{"migrations", Migrations().size()}});
    laid_(std::move(*secret));
    Report(nullptr);
  });
}

void Foundation::Probe() {
  std::function<Ok(pqxx::connection&)> job = [](pqxx::connection& connection) {
    pqxx::work tx(connection);
    tx.exec(kWriteNothing);
    return Ok{};
  };
  postgres_.Run<Ok>(std::move(job), [this](Result<Ok> answer) {
    if (!answer) return Report(&answer.error());
    postgres_.Read(kProbe, {}, [this](Result<storage::Rows> rows) { Report(rows ? nullptr : &rows.error()); });
  });
}

void Foundation::Report(const Error* problem) {
  looking_ = false;
  const std::string now = problem == nullptr ? "" : problem->message();
  if (now.empty() != problem_.empty()) {
    if (now.empty()) {
      log::Info("database_up");
    } else {
      log::Warn("database_down", {{"reason", now}});
    }
  }
  problem_ = now;
}

}  // namespace parley::roster

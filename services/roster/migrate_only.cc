#include "services/roster/migrate_only.h"

#include <algorithm>
#include <string_view>

#include "libs/base/log.h"
#include "services/roster/database.h"
#include "services/roster/foundation.h"
#include "services/roster/settings.h"

namespace parley::roster {
namespace {

// A change of a big table takes as long as it takes.
constexpr std::chrono::hours kLongest{24};

}  // namespace

bool TakeMigrateOnly(int& argc, char** argv) {
  const auto end = std::remove_if(argv + 1, argv + argc,
                                  [](const char* word) { return std::string_view(word) == "--migrate-only"; });
  const bool found = end != argv + argc;
  argc = static_cast<int>(end - argv);
  return found;
}

int MigrateOnly(config::Config config) {
  config.roster.migrate = true;
  int status = 1;
  Loop loop;
  auto options = PostgresOf(config.postgres);
  options.connections = 1;
  options.read_connections = 0;
  options.statement_timeout = kLongest;
  storage::Postgres postgres(loop, options, PrepareConnection);
  std::function<std::string(pqxx::connection&)> job = [options = FoundationOf(config)](pqxx::connection& connection) {
    return LayFoundation(connection, options);
  };
  postgres.Run<std::string>(std::move(job), [&](Result<std::string> secret) {
    if (secret) {
      status = 0;
      log::Info("migrated");
    } else {
      log::Error("migration_failed", {{"reason", secret.error().message()}});
    }
    loop.Stop();
  });
  loop.Run();
  return status;
}

}  // namespace parley::roster

#include <exception>

#include "libs/base/log.h"
#include "libs/config/config.h"
#include "libs/net/run.h"
#include "libs/telemetry/admin.h"
#include "services/roster/migrate_only.h"
#include "services/roster/service.h"

int main(int argc, char** argv) try {
  using namespace parley;
  const bool migrate_only = roster::TakeMigrateOnly(argc, argv);
  const auto config = config::LoadOrExit(argc, argv, "roster");
  if (migrate_only) return roster::MigrateOnly(config);

  Loop loop;
  telemetry::Metrics metrics;
  telemetry::Admin admin(loop, metrics, config.roster.admin, config.admin);
  roster::Service service(loop, config, metrics);
  admin.AddReadyCheck("database", [&] { return service.Missing(); });

  const auto drain = [&](std::function<void()> done) {
    admin.SetStopping();
    service.Drain(std::move(done));
  };
  log::Info("started", {{"port", service.port()}});
  return net::RunUntilSignal(loop, drain, config.roster.drain_timeout);
} catch (const std::exception& error) {
  parley::log::Error("start_failed", {{"reason", error.what()}});
  return 1;
}

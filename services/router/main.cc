#include <exception>

#include "libs/base/log.h"
#include "libs/config/config.h"
#include "libs/net/run.h"
#include "libs/telemetry/admin.h"
#include "services/router/router.h"

int main(int argc, char** argv) try {
  using namespace parley;
  const auto config = config::LoadOrExit(argc, argv, "router");

  Loop loop;
  telemetry::Metrics metrics;
  telemetry::Admin admin(loop, metrics, config.router.admin, config.admin);
  router::Router router(loop, config, metrics);
  admin.AddReadyCheck("redis", [&] { return router.MissingRedis(); });
  admin.AddReadyCheck("ring", [&] { return router.MissingPeers(); });
  admin.AddReadyCheck("roster", [&] { return router.MissingRoster(); });

  const auto drain = [&](std::function<void()> done) {
    admin.SetStopping();
    router.Drain(std::move(done));
  };
  log::Info("started", {{"port", router.port()}});
  return net::RunUntilSignal(loop, drain, config.router.drain_timeout);
} catch (const std::exception& error) {
  parley::log::Error("start_failed", {{"reason", error.what()}});
  return 1;
}

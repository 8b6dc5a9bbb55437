#include <exception>

#include "libs/base/log.h"
#include "libs/config/config.h"
#include "libs/net/run.h"
#include "libs/telemetry/admin.h"
#include "services/c2s/edge.h"

int main(int argc, char** argv) try {
  using namespace parley;
  const config::Config config = config::LoadOrExit(argc, argv, "c2s");
  log::Init(config.log);
  Loop loop;
  telemetry::Metrics metrics;
  telemetry::Admin admin(loop, metrics, config.c2s.admin, config.admin);
  c2s::Edge edge(loop, config, metrics, admin);

  auto drain = [&edge](std::function<void()> done) { edge.Drain(std::move(done)); };
  auto hangup = [&edge] { edge.ReloadCertificates(); };
  return net::RunUntilSignal(loop, drain, config.c2s.drain_timeout, hangup);
} catch (const std::exception& error) {
  parley::log::Error("start_failed", {{"reason", error.what()}});
  return 1;
}

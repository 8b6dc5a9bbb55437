#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "libs/base/loop.h"
#include "libs/config/config.h"
#include "libs/rpc/certificate_gauge.h"
#include "libs/rpc/server.h"
#include "libs/storage/storage_metrics.h"
#include "libs/telemetry/metrics.h"
#include "libs/tracing/tracer.h"
#include "services/roster/accounts/accounts_service.h"
#include "services/roster/accounts/pg_account_store.h"
#include "services/roster/accounts/surveyor.h"
#include "services/roster/asks.h"
#include "services/roster/contacts/pg_roster_store.h"
#include "services/roster/forgetter.h"
#include "services/roster/foundation.h"
#include "services/roster/offline/pg_offline_store.h"
#include "services/roster/transfer/transfer.h"

namespace parley::roster {

// The whole service in one process, without its command line and signals.
class Service {
 public:
  // Throws std::runtime_error if it cannot listen.
  Service(Loop& loop, const config::Config& config, telemetry::Metrics& metrics);

  int port() const { return server_.port(); }
  // For readiness: what is missing; empty if nothing is.
  std::string Missing() const;
  // Tells the routers, and calls `done` when what they asked is answered.
  void Drain(std::function<void()> done);

 private:
  rpc::Methods Methods();
  void OnSurveyed(IterationSurvey survey);

  tracing::Tracer tracer_;
  storage::Postgres postgres_;
  storage::PostgresMetrics postgres_metrics_;
  Database database_;
  PgRosterStore rosters_;
  PgOfflineStore offline_;
  OfflineWriter writer_;
  Forgetter taken_forgetter_;
  Forgetter asks_forgetter_;
  PgAccountStore account_store_;
  KeyPool keys_;
  Accounts accounts_;
  Transfer transfer_;
  Surveyor surveyor_;
  std::string secret_;
  Foundation foundation_;
  Asks asks_;
  AccountsService accounts_service_;
  rpc::Server server_;
  rpc::CertificateGauge certificate_gauge_;
  Loop& loop_;
  Loop::Timer drain_timer_;
};

}  // namespace parley::roster

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/config/config.h"
#include "libs/net/tls.h"
#include "libs/rpc/accounts_client.h"
#include "libs/rpc/certificate_gauge.h"
#include "libs/storage/redis.h"
#include "libs/storage/storage_metrics.h"
#include "libs/telemetry/admin.h"
#include "libs/tracing/tracer.h"
#include "services/c2s/acceptor.h"
#include "services/c2s/admission.h"
#include "services/c2s/context.h"
#include "services/c2s/drain.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/orders.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/streams.h"
#include "services/c2s/wheel.h"
#include "services/c2s/workers.h"

namespace parley::c2s {

// The whole service on one loop.
class Edge {
 public:
  Edge(Loop& loop, const config::Config& config, telemetry::Metrics& metrics, telemetry::Admin& admin);
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // Ends all streams and calls `done` when nothing is left to lose.
  void Drain(std::function<void()> done);
  // New handshakes use changed certificate files.
  void ReloadCertificates();
  // Sets the gauges of what is counted only when asked; every few seconds by itself.
  void Measure();
  const SessionTable& sessions() const { return sessions_; }
  // Its parts: for who measures what streams and sessions do without clients.
  Context& context() { return context_; }
  bool ready() const { return acceptor_.listening() && routers_.available() && node_.held(); }
  std::vector<int> ports(Streams::Kind kind) const { return acceptor_.ports(kind); }

 private:
  void AddReadyChecks();
  void MeasureCertificates();

  const config::Config& config_;
  const rpc::Self self_;
  const std::shared_ptr<const rpc::Security> security_;
  telemetry::Admin& admin_;
  Metrics metrics_;
  tracing::Tracer tracer_;
  Wheel wheel_;
  Workers workers_;
  storage::Redis redis_;
  storage::RedisMetrics redis_metrics_;
  net::TlsContexts tls_;
  rpc::AccountsClient accounts_;
  Admission admission_;
  SessionTable sessions_;
  Streams streams_;
  Node node_;  // before routers_: their last callbacks may be for it
  Routers routers_;
  Context context_;
  Acceptor acceptor_;
  Orders orders_;
  c2s::Drain drain_;
  rpc::CertificateGauge certificate_gauge_;
  Loop::Timer measuring_;
  Loop::Timer reloading_;
};

}  // namespace parley::c2s

#include "services/c2s/edge.h"

#include <chrono>

#include "libs/base/ids.h"
#include "libs/base/log.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::seconds kMeasurePeriod{5};

std::vector<net::TlsHost> TlsHosts(const config::Config& config) {
  std::vector<net::TlsHost> hosts;
  for (const auto& host : config.hosts) {
    net::TlsHost tls;
    tls.domain = host.domain;
    tls.certificate_file = host.certificate_file;
    tls.key_file = host.key_file;
    if (host.external) tls.client_ca_file = host.client_ca_file;
    hosts.push_back(std::move(tls));
  }
  return hosts;
}

net::TlsOptions TlsSettings(const config::C2s& config) {
  net::TlsOptions options;
  options.min_version = config.tls_min_version;
  options.ciphers = config.tls_ciphers;
  options.cipher_suites = config.tls_cipher_suites;
  options.ticket_key_file = config.tls_ticket_key_file;
  options.release = config.tls_release;
  options.max_without_data = config.max_tls_records_without_data;
  return options;
}

using SharedSecurity = std::shared_ptr<const rpc::Security>;

rpc::AccountsClient::Options AccountsOptions(const config::Config& config, telemetry::Metrics& metrics,
                                             const SharedSecurity& security) {
  rpc::AccountsClient::Options options;
  options.link = config.link;
  options.link.metrics = &metrics;
  options.link.security = security;
  options.rosters.targets = config.cluster.rosters;
  options.rosters.refresh = config.cluster.discovery_interval;
  options.timeout = config.c2s.auth_timeout;
  return options;
}

rpc::Ring::Options RingOptions(const config::Config& config, telemetry::Metrics& metrics,
                               const SharedSecurity& security) {
  rpc::Ring::Options options;
  options.discovery.targets = config.cluster.routers;
  options.discovery.refresh = config.cluster.discovery_interval;
  options.link = config.link;
  options.link.metrics = &metrics;
  options.link.security = security;
  options.service = "router";
  options.no_replica_timeout = config.c2s.no_router_timeout;
  return options;
}

rpc::Self SelfOf(const config::Config& config) { return rpc::Self{"c2s", config.cluster.instance, RandomId()}; }

Routers::Options RouterOptions(const config::Config& config, telemetry::Metrics& metrics,
                               const SharedSecurity& security) {
  Routers::Options options;
  options.ring = RingOptions(config, metrics, security);
  options.max_deferred = config.c2s.max_deferred;
  options.max_repeats_remembered = config.c2s.max_repeats_remembered;
  options.repeat_memory = config.c2s.repeat_memory;
  return options;
}

Node::Options NodeOptions(const config::Config& config, const rpc::Self& self) {
  Node::Options options;
  options.instance = self.instance;
  options.process = self.epoch;
  options.lease.ttl = config.c2s.lease_ttl;
  options.lease.refresh = config.c2s.lease_refresh;
  options.max_restoring = config.c2s.max_restoring;
  options.restore_timeout = config.c2s.router_timeout;
  options.silence = std::max(config.link.keepalive_timeout, Node::kShortestSilence);
  return options;
}

}  // namespace

Edge::Edge(Loop& loop, const config::Config& config, telemetry::Metrics& metrics, telemetry::Admin& admin)
    : config_(config),
      self_(SelfOf(config)),
      security_(rpc::Security::Make(config.mtls, config.access)),
      admin_(admin),
      metrics_(metrics),
      tracer_(config.tracing, "c2s", config.cluster.instance, metrics),
      wheel_(loop),
      workers_(loop, config.c2s.password_threads, config.c2s.max_passwords_queued),
      redis_(loop, config.redis),
      redis_metrics_(loop, metrics, redis_),
      tls_(TlsHosts(config), TlsSettings(config.c2s)),
      accounts_(loop, AccountsOptions(config, metrics, security_)),
      admission_(loop, config.c2s, metrics_),
      streams_(loop),
      node_(loop, redis_, NodeOptions(config, self_), sessions_, routers_, metrics_),
      routers_(loop, self_, RouterOptions(config, metrics, security_), sessions_, metrics_, tracer_),
      context_{loop,      config,     metrics_, wheel_,    redis_,   workers_, tls_,
               accounts_, admission_, streams_, sessions_, routers_, node_,    tracer_},
      acceptor_(context_),
      orders_(context_, acceptor_),
      drain_(context_),
      certificate_gauge_(loop, metrics, config.mtls),
      measuring_(loop.Every(kMeasurePeriod, [this] { Measure(); })),
      reloading_(loop.Every(config.c2s.certificate_check, [this] { ReloadCertificates(); })) {
  routers_.OnUnknown([this](const std::shared_ptr<Session>& session) { node_.PutBack(session); });
  routers_.OnAvailable([this](bool available) { node_.OnRouters(available); });
  redis_.OnState([this](bool up) {
    if (!up) return;
    orders_.Poll();
    sessions_.OnRedisUp();
  });
  AddReadyChecks();
  MeasureCertificates();
}

void Edge::AddReadyChecks() {
  admin_.AddReadyCheck("listeners", [this] {
    if (orders_.draining()) return "drained by an operator: parleyctl undrain";
    return acceptor_.listening() ? "" : "not listening";
  });
  admin_.AddReadyCheck("routers", [this] { return routers_.available() ? "" : "no router is reachable"; });
  admin_.AddReadyCheck("lease", [this]() -> std::string {
    if (node_.held()) return "";
    // Without Redis, or while it refuses writes, nobody can log in anywhere: taking every edge out of service would
    // only cut off those who are in.
    const std::string& failure = node_.lease_failure();
    if (failure.empty()) return "no lease in Redis";
    return sessions_.size() > 0 ? "" : "no lease in Redis: " + failure;
  });
}

void Edge::Drain(std::function<void()> done) {
  admin_.SetStopping();
  orders_.Close();
  acceptor_.Stop();
  drain_.Start(std::move(done));
}

void Edge::MeasureCertificates() {
  for (const auto& host : config_.hosts) {
    metrics_.certificate_expiry.Set(host.domain, static_cast<double>(tls_.ExpiresAt(host.domain)));
  }
}

void Edge::ReloadCertificates() {
  for (const auto& domain : tls_.Reload()) {
    metrics_.certificate_reloads.Increment();
    log::Info("certificate_reloaded", {{"domain", domain}});
  }
  MeasureCertificates();
}

void Edge::Measure() {
  acceptor_.Measure();
  metrics_.connections_open.Set(admission_.connections());
  metrics_.connections_max.Set(config_.c2s.max_connections);
  metrics_.connections_tls_released.Set(static_cast<double>(streams_.tls_released()));
  metrics_.unacknowledged.Set(static_cast<double>(routers_.unacknowledged()));
  metrics_.outbound_bytes.Set(static_cast<double>(streams_.queued_bytes()));
  metrics_.lease_held.Set(node_.held() ? 1 : 0);
}

}  // namespace parley::c2s

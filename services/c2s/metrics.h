#pragma once

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/telemetry/metrics.h"
#include "parley/link/v1/link.pb.h"

namespace parley::c2s {

// Counters that share a name and differ in one label, from a set fixed at construction; anything else counts as
// "other".
class CounterFamily {
 public:
  CounterFamily(telemetry::Metrics& metrics, const std::string& name, const std::string& help, const std::string& label,
                const std::vector<std::string>& values);
  void Add(std::string_view value, double by = 1);

 private:
  std::map<std::string, prometheus::Counter*, std::less<>> counters_;
};

// By kind of stanza, an array access on the hot path.
class StanzaCounters {
 public:
  StanzaCounters(telemetry::Metrics& metrics, const std::string& name, const std::string& help);
  void Add(link::v1::Kind kind) { tallies_[kind <= link::v1::KIND_IQ ? kind : 0]->Add(); }

 private:
  std::array<telemetry::Tally*, link::v1::KIND_IQ + 1> tallies_;
};

// Logins have two labels: mechanism and outcome ("success" or the failure's condition).
class LoginCounters {
 public:
  explicit LoginCounters(telemetry::Metrics& metrics) : metrics_(metrics) {}
  // Both from fixed tables.
  void Add(std::string_view mechanism, std::string_view outcome);
  // A success: from the client's first word to the server's last.
  void Took(std::string_view mechanism, std::chrono::steady_clock::duration time);

 private:
  telemetry::Metrics& metrics_;
  std::map<std::string, prometheus::Counter*, std::less<>> counters_;
  std::map<std::string, prometheus::Histogram*, std::less<>> seconds_;
};

// One for each served host.
class HostGauges {
 public:
  HostGauges(telemetry::Metrics& metrics, std::string name, std::string help)
      : metrics_(metrics), name_(std::move(name)), help_(std::move(help)) {}
  void Set(const std::string& host, double value) { metrics_.Gauge(name_, help_, {{"host", host}}).Set(value); }

 private:
  telemetry::Metrics& metrics_;
  std::string name_;
  std::string help_;
};

// Sessions of each host that is configured, by state.
class HostSessions {
 public:
  explicit HostSessions(telemetry::Metrics& metrics) : metrics_(metrics) {}
  void Add(std::string_view host, std::string_view state, double change);

 private:
  telemetry::Metrics& metrics_;
  std::map<std::string, prometheus::Gauge*, std::less<>> gauges_;  // by host/state
};

struct Metrics {
  explicit Metrics(telemetry::Metrics& metrics);

  prometheus::Counter& connections;
  CounterFamily connections_refused;
  prometheus::Gauge& connections_open;
  prometheus::Gauge& connections_max;
  prometheus::Gauge& connections_tls_released;
  prometheus::Gauge& streams_negotiating;
  prometheus::Gauge& sessions_bound;
  prometheus::Gauge& sessions_away;
  prometheus::Gauge& sessions_ending;
  HostSessions host_sessions;
  // What happens to sessions (life.h); "impossible": what does not, in the state that the session was in.
  CounterFamily session_events;
  telemetry::Tally& bytes_in;
  telemetry::Tally& bytes_out;
  StanzaCounters stanzas_in;
  StanzaCounters stanzas_out;
  prometheus::Counter& pings_answered;
  LoginCounters logins;
  CounterFamily binds;
  CounterFamily stream_errors;
  CounterFamily stream_ends;
  CounterFamily tls;
  prometheus::Counter& tls_resumed;
  // A limit was reached: which one.
  CounterFamily limits;
  prometheus::Counter& rate_paused;
  prometheus::Gauge& unacknowledged;
  prometheus::Gauge& outbound_bytes;
  prometheus::Gauge& deferred;
  // Deliveries that were not taken, or were taken before.
  CounterFamily deliveries_refused;
  prometheus::Counter& repeats_dropped;
  prometheus::Counter& undeliverable;
  prometheus::Gauge& lease_held;
  prometheus::Counter& restores;
  // Stream management (XEP-0198)
  CounterFamily sm_enabled;
  CounterFamily sm_resumptions;
  prometheus::Counter& sm_handovers;
  prometheus::Counter& sm_requests;
  telemetry::Tally& sm_unacknowledged;
  telemetry::Tally& sm_unacknowledged_bytes;
  // Commands for queues in Redis.
  prometheus::Counter& sm_appends;
  prometheus::Counter& sm_trims;
  prometheus::Counter& sm_headers;
  prometheus::Counter& sm_rebuilds;
  prometheus::Counter& sm_packed;
  prometheus::Counter& sm_queue_bytes;
  prometheus::Counter& sm_unlogged;
  prometheus::Counter& sm_recounted;
  prometheus::Counter& sm_blocks_forgotten;
  // From a client's <r/> to our <a/>.
  prometheus::Histogram& sm_answer_seconds;
  prometheus::Gauge& restoring;
  // Others may have taken us for dead, and have our sessions: why.
  CounterFamily doubts;
  prometheus::Counter& certificate_reloads;
  HostGauges certificate_expiry;
  // Connections behind load balancers (PROXY protocol).
  CounterFamily proxy_headers;
};

}  // namespace parley::c2s

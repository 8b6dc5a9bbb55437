#include "services/c2s/metrics.h"

#include "services/c2s/session/life.h"

namespace parley::c2s {
namespace {

const std::vector<std::string> kStreamErrors = {"bad-format",
                                                "bad-namespace-prefix",
                                                "conflict",
                                                "connection-timeout",
                                                "host-gone",
                                                "host-unknown",
                                                "improper-addressing",
                                                "internal-server-error",
                                                "invalid-from",
                                                "invalid-namespace",
                                                "invalid-xml",
                                                "not-authorized",
                                                "not-well-formed",
                                                "policy-violation",
                                                "remote-connection-failed",
                                                "reset",
                                                "resource-constraint",
                                                "restricted-xml",
                                                "see-other-host",
                                                "system-shutdown",
                                                "undefined-condition",
                                                "unsupported-encoding",
                                                "unsupported-feature",
                                                "unsupported-stanza-type",
                                                "unsupported-version"};

const std::vector<std::string> kLimits = {"accept_batch",
                                          "admission_time",
                                          "auth_attempts",
                                          "auth_failures",
                                          "banned",
                                          "bytes_rate",
                                          "connection_rate",
                                          "connections",
                                          "deferred",
                                          "early",
                                          "idle",
                                          "outbound_bytes",
                                          "connections_address",
                                          "connections_waiting",
                                          "descriptors",
                                          "password_queue",
                                          "presence_size",
                                          "registration_rate",
                                          "repeats_remembered",
                                          "slow_reader",
                                          "sm_ack_timeout",
                                          "sm_queue",
                                          "sm_remember_answers",
                                          "sm_remember_origins",
                                          "sm_settle_wait",
                                          "sm_unhandled",
                                          "stanza_rate",
                                          "stanza_size",
                                          "tls_records",
                                          "unacknowledged",
                                          "unauthenticated",
                                          "unauthenticated_bytes",
                                          "unauthenticated_time",
                                          "unread",
                                          "order",
                                          "unanswered"};

std::vector<std::string> SessionEvents() {
  std::vector<std::string> events(life::kEventNames.begin(), life::kEventNames.end());
  events.emplace_back("impossible");
  return events;
}

prometheus::Counter& QueueWrites(telemetry::Metrics& metrics, const std::string& what) {
  return metrics.Counter("parley_c2s_sm_queue_writes_total", "Commands that change sessions' queues in Redis",
                         {{"what", what}});
}

}  // namespace

CounterFamily::CounterFamily(telemetry::Metrics& metrics, const std::string& name, const std::string& help,
                             const std::string& label, const std::vector<std::string>& values) {
  for (const auto& value : values) counters_[value] = &metrics.Counter(name, help, {{label, value}});
  counters_["other"] = &metrics.Counter(name, help, {{label, "other"}});
}

void CounterFamily::Add(std::string_view value, double by) {
  auto found = counters_.find(value);
  if (found == counters_.end()) found = counters_.find("other");
  found->second->Increment(by);
}

StanzaCounters::StanzaCounters(telemetry::Metrics& metrics, const std::string& name, const std::string& help) {
  static constexpr std::array kKinds = {"other", "message", "presence", "iq"};
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    tallies_[i] = &metrics.TallyOf(metrics.Counter(name, help, {{"kind", kKinds[i]}}));
  }
}

void LoginCounters::Add(std::string_view mechanism, std::string_view outcome) {
  std::string key = std::string(mechanism) + "/" + std::string(outcome);
  auto& counter = counters_[key];
  if (!counter) {
    counter = &metrics_.Counter("parley_c2s_logins_total", "SASL exchanges by mechanism and outcome",
                                {{"mechanism", std::string(mechanism)}, {"outcome", std::string(outcome)}});
  }
  counter->Increment();
}

void LoginCounters::Took(std::string_view mechanism, std::chrono::steady_clock::duration time) {
  auto& seconds = seconds_[std::string(mechanism)];
  if (!seconds) {
    seconds = &metrics_.Histogram("parley_c2s_login_seconds", "Time of a successful SASL exchange",
                                  {{"mechanism", std::string(mechanism)}});
  }
  seconds->Observe(std::chrono::duration<double>(time).count());
}

void HostSessions::Add(std::string_view host, std::string_view state, double change) {
  std::string key(host);
  key.append("/").append(state);
  auto& gauge = gauges_[key];
  if (!gauge) {
    gauge = &metrics_.Gauge("parley_c2s_host_sessions", "Sessions by host and state",
                            {{"host", std::string(host)}, {"state", std::string(state)}});
  }
  gauge->Increment(change);
}

Metrics::Metrics(telemetry::Metrics& m)
    : connections(m.Counter("parley_c2s_connections_total", "TCP connections admitted")),
      connections_refused(m, "parley_c2s_connections_refused_total", "Connections not admitted, by what they were told",
                          "told", {"stream-error", "tls-alert", "nothing"}),
      connections_open(m.Gauge("parley_c2s_connections_open", "TCP connections now")),
      connections_max(m.Gauge("parley_c2s_connections_max", "c2s.max_connections")),
      connections_tls_released(
          m.Gauge("parley_c2s_connections_tls_released", "Connections whose TLS goes on without OpenSSL's part")),
      streams_negotiating(m.Gauge("parley_c2s_streams", "Streams by state", {{"state", "negotiating"}})),
      sessions_bound(m.Gauge("parley_c2s_sessions", "Sessions by state", {{"state", "bound"}})),
      sessions_away(m.Gauge("parley_c2s_sessions", "Sessions by state", {{"state", "away"}})),
      sessions_ending(m.Gauge("parley_c2s_sessions", "Sessions by state", {{"state", "ending"}})),
      host_sessions(m),
      session_events(m, "parley_c2s_session_events_total", "Changes of sessions' states", "event", SessionEvents()),
      bytes_in(m.TallyOf(m.Counter("parley_c2s_bytes_in_total", "XML bytes received"))),
      bytes_out(m.TallyOf(m.Counter("parley_c2s_bytes_out_total", "XML bytes sent"))),
      stanzas_in(m, "parley_c2s_stanzas_in_total", "Stanzas from clients"),
      stanzas_out(m, "parley_c2s_stanzas_out_total", "Stanzas to clients"),
      pings_answered(
          m.Counter("parley_c2s_pings_answered_total", "Clients' pings to the server that the edge answered")),
      logins(m),
      binds(m, "parley_c2s_binds_total", "Resource bindings by outcome", "outcome",
            {"bound", "conflict", "resource-constraint", "not-allowed", "internal-server-error", "bad-request",
             "unanswered"}),
      stream_errors(m, "parley_c2s_stream_errors_total", "Stream errors sent", "condition", kStreamErrors),
      stream_ends(m, "parley_c2s_stream_ends_total", "Streams ended, by who or what ended them", "reason",
                  {"client", "error", "connection", "timeout"}),
      tls(m, "parley_c2s_tls_handshakes_total", "TLS handshakes completed", "version", {"TLSv1.2", "TLSv1.3"}),
      tls_resumed(m.Counter("parley_c2s_tls_resumed_total", "TLS handshakes resumed by a ticket")),
      limits(m, "parley_c2s_limits_total", "A limit was reached", "limit", kLimits),
      rate_paused(
          m.Counter("parley_c2s_rate_paused_seconds_total", "Time that clients were not read because of their rates")),
      unacknowledged(m.Gauge("parley_c2s_unacknowledged_stanzas", "Clients' stanzas that the routers have not taken")),
      outbound_bytes(m.Gauge("parley_c2s_outbound_queue_bytes", "Bytes waiting for clients to read")),
      deferred(m.Gauge("parley_c2s_deferred_stanzas", "Stanzas kept for a router to come back")),
      deliveries_refused(m, "parley_c2s_deliveries_refused_total", "Deliveries given back to the router", "reason",
                         {"no_session", "overloaded"}),
      repeats_dropped(m.Counter("parley_c2s_repeats_dropped_total", "Deliveries recognised as repeats")),
      undeliverable(m.Counter("parley_c2s_undeliverable_total", "Clients' stanzas that no router took")),
      lease_held(m.Gauge("parley_c2s_lease_held", "1 while this edge has its lease in Redis")),
      restores(m.Counter("parley_c2s_sessions_restored_total", "Sessions put back after a lease or Redis was lost")),
      sm_enabled(m, "parley_c2s_sm_enabled_total", "Stream management enabled, and what for", "outcome",
                 {"resumable", "acknowledged", "failed"}),
      sm_resumptions(m, "parley_c2s_sm_resumptions_total", "Resumptions asked for by clients", "outcome",
                     {"here", "claimed", "item-not-found", "too-high", "unanswered"}),
      sm_handovers(m.Counter("parley_c2s_sm_handovers_total", "Sessions handed over to another edge")),
      sm_requests(m.Counter("parley_c2s_sm_requests_total", "Acknowledgements asked for")),
      sm_unacknowledged(m.TallyOf(m.Gauge("parley_c2s_sm_unacknowledged_stanzas",
                                          "Stanzas that clients with stream management have not acknowledged"))),
      sm_unacknowledged_bytes(m.TallyOf(m.Gauge("parley_c2s_sm_unacknowledged_bytes", "Their bytes"))),
      sm_appends(QueueWrites(m, "append")),
      sm_trims(QueueWrites(m, "trim")),
      sm_headers(QueueWrites(m, "header")),
      sm_rebuilds(QueueWrites(m, "rebuild")),
      sm_packed(m.Counter("parley_c2s_sm_packed_total", "Stanzas that were packed with others for queues in Redis")),
      sm_queue_bytes(m.Counter("parley_c2s_sm_queue_bytes_total", "Bytes of stanzas that queues in Redis got")),
      sm_unlogged(m.Counter("parley_c2s_sm_unlogged_total",
                            "Times that a client began to get what its queue has not, and routers were told")),
      sm_recounted(m.Counter("parley_c2s_sm_recounted_total",
                             "Resumptions that went on from where the client had counted to, beyond the queue")),
      sm_blocks_forgotten(m.Counter("parley_c2s_sm_blocks_forgotten_total",
                                    "Blocks of 64 of a sender's messages that a client had acknowledged, and that are "
                                    "remembered no longer, as there were later ones")),
      sm_answer_seconds(m.Histogram("parley_c2s_sm_answer_seconds",
                                    "How long clients wait to be told what is handled: until routers took it and Redis "
                                    "knows")),
      restoring(m.Gauge("parley_c2s_sessions_restoring", "Sessions that wait to be put back")),
      doubts(m, "parley_c2s_doubts_total", "Times that others may have taken this edge for dead", "reason",
             {"stopped", "no router"}),
      certificate_reloads(m.Counter("parley_c2s_certificate_reloads_total", "Certificates reloaded")),
      certificate_expiry(m, "parley_c2s_certificate_expiry_timestamp_seconds",
                         "When the certificate of a host expires"),
      proxy_headers(m, "parley_c2s_proxy_headers_total", "Connections by what their PROXY protocol header was",
                    "outcome", {"client", "local", "malformed", "timeout", "incomplete", "untrusted", "too_many"}) {}

}  // namespace parley::c2s

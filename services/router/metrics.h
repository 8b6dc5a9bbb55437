#pragma once

#include <array>
#include <string>

#include "libs/telemetry/metrics.h"
#include "parley/link/v1/link.pb.h"

namespace parley::router {

// By kind and leg, an array access on the hot path.
class TakenCounters {
 public:
  explicit TakenCounters(telemetry::Metrics& registry) {
    static constexpr std::array kKinds = {"other", "message", "presence", "iq", "control"};
    for (std::size_t kind = 0; kind < kKinds.size(); ++kind) {
      for (const bool inbound : {false, true}) {
        counters_[kind][inbound] =
            &registry.Counter("parley_router_stanzas_total", "Stanzas and controls that came in",
                              {{"kind", kKinds[kind]}, {"leg", inbound ? "inbound" : "outbound"}});
      }
    }
  }
  void Add(const link::v1::Envelope& envelope) {
    // Another release may know more kinds.
    const auto kind = link::v1::Kind_IsValid(envelope.kind()) ? envelope.kind() : link::v1::KIND_UNSPECIFIED;
    counters_[kind][envelope.leg() == link::v1::LEG_INBOUND]->Increment();
  }

 private:
  std::array<std::array<prometheus::Counter*, 2>, link::v1::KIND_CONTROL + 1> counters_{};
};

// What the router counts. Labels by feature and by error condition are made where they are known, see IqDispatcher and
// Sender.
struct Metrics {
  explicit Metrics(telemetry::Metrics& registry)
      : registry(registry),
        taken(registry),
        delivered(Deliveries("delivered")),
        stored(Deliveries("stored")),
        ignored(Deliveries("ignored")),
        forwarded(Deliveries("forwarded")),
        undeliverable(registry.Counter("parley_router_undeliverable_total", "Deliveries that an edge gave back")),
        parked(registry.Gauge("parley_router_parked", "Deliveries that wait for an edge to come back")),
        mailbox(registry.Gauge("parley_router_mailbox", "Work that waits for its account")),
        mailbox_full(registry.Counter("parley_router_mailbox_full_total", "Stanzas refused because of a full mailbox")),
        accounts(registry.Gauge("parley_router_accounts_cached", "Accounts in memory")),
        rosters(registry.Gauge("parley_router_rosters_cached", "Rosters in memory")),
        roster_loads(registry.Counter("parley_router_roster_loads_total", "Rosters read from the roster service")),
        account_loads(registry.Counter("parley_router_account_loads_total", "Accounts read from Redis")),
        invalidated(registry.Counter("parley_router_accounts_invalidated_total", "Accounts changed by another router")),
        conflicts(
            registry.Counter("parley_router_write_conflicts_total", "Writes that another router was faster with")),
        sessions_bound(registry.Counter("parley_router_sessions_bound_total", "Resources bound")),
        sessions_ended(registry.Counter("parley_router_sessions_ended_total", "Sessions ended")),
        ghosts(registry.Counter("parley_router_ghost_sessions_total", "Sessions that their edge did not know")),
        reaped_nodes(registry.Counter("parley_router_reaped_nodes_total", "Dead edges cleaned up after")),
        reaped_sessions(registry.Counter("parley_router_reaped_sessions_total", "Sessions of dead edges ended")),
        limits_directed(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_directed"}})),
        limits_resources(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_resources"}})),
        limits_parked(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_parked"}})),
        redis_seconds(registry.Histogram("parley_router_redis_seconds", "Time of a session command in Redis")),
        roster_seconds(registry.Histogram("parley_router_roster_ask_seconds", "Time of an ask of the roster service")),
        roster_failures(
            registry.Counter("parley_router_roster_failures_total", "Asks that no roster service answered")) {}

  telemetry::Metrics& registry;
  TakenCounters taken;
  prometheus::Counter& delivered;
  prometheus::Counter& stored;
  prometheus::Counter& ignored;
  prometheus::Counter& forwarded;
  prometheus::Counter& undeliverable;
  prometheus::Gauge& parked;
  prometheus::Gauge& mailbox;
  prometheus::Counter& mailbox_full;
  prometheus::Gauge& accounts;
  prometheus::Gauge& rosters;
  prometheus::Counter& roster_loads;
  prometheus::Counter& account_loads;
  prometheus::Counter& invalidated;
  prometheus::Counter& conflicts;
  prometheus::Counter& sessions_bound;
  prometheus::Counter& sessions_ended;
  prometheus::Counter& ghosts;
  prometheus::Counter& reaped_nodes;
  prometheus::Counter& reaped_sessions;
  prometheus::Counter& limits_directed;
  prometheus::Counter& limits_resources;
  prometheus::Counter& limits_parked;
  prometheus::Histogram& redis_seconds;
  prometheus::Histogram& roster_seconds;
  prometheus::Counter& roster_failures;

 private:
  prometheus::Counter& Deliveries(const std::string& outcome) {
    return registry.Counter("parley_router_deliveries_total", "What came of stanzas", {{"outcome", outcome}});
  }
};

}  // namespace parley::router

#pragma once

#include <array>
#include <string>

#include "libs/telemetry/metrics.h"
#include "parley/link/v1/link.pb.h"
#include "services/router/life.h"

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

// What happens to sessions (life.h), and what does not, in the state that the session was in.
class SessionEventCounters {
 public:
  explicit SessionEventCounters(telemetry::Metrics& registry) : impossible_(CounterOf(registry, "impossible")) {
    for (std::size_t event = 0; event < counters_.size(); ++event) {
      counters_[event] = &CounterOf(registry, std::string(life::kEventNames[event]));
    }
  }
  void Add(life::Event event) { counters_[static_cast<std::size_t>(event)]->Increment(); }
  void AddImpossible() { impossible_.Increment(); }

 private:
  static prometheus::Counter& CounterOf(telemetry::Metrics& registry, const std::string& event) {
    return registry.Counter("parley_router_session_events_total", "Changes of sessions' states", {{"event", event}});
  }

  std::array<prometheus::Counter*, life::kEventNames.size()> counters_{};
  prometheus::Counter& impossible_;
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
        queued(Deliveries("queued")),
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
        session_events(registry),
        ghosts(registry.Counter("parley_router_ghost_sessions_total", "Sessions that their edge did not know")),
        resumed(Resumptions("resumed")),
        not_resumed(Resumptions("not_found")),
        resume_later(Resumptions("busy")),
        handed_over(HandOvers("handed_over")),
        handed_over_gone(HandOvers("gone")),
        handed_over_late(HandOvers("late")),
        orphaned(registry.Counter("parley_router_orphaned_sessions_total", "Resumable sessions that lost their edge")),
        expired(registry.Counter("parley_router_expired_sessions_total", "Sessions that were not resumed in time")),
        unacknowledged_delivered(Unacknowledged("delivered")),
        unacknowledged_stored(Unacknowledged("stored")),
        unacknowledged_bounced(Unacknowledged("bounced")),
        unacknowledged_ended(Unacknowledged("ended")),
        unacknowledged_elsewhere(Unacknowledged("elsewhere")),
        unacknowledged_again(Unacknowledged("again")),
        reaped_nodes(registry.Counter("parley_router_reaped_nodes_total", "Dead edges cleaned up after")),
        reaped_sessions(registry.Counter("parley_router_reaped_sessions_total", "Sessions of dead edges ended")),
        unsaved(registry.Gauge("parley_router_unsaved",
                               "Accounts with changes of sessions that Redis refused to write, and that wait for it")),
        deferred(registry.Gauge("parley_router_deferred", "Stanzas that ended sessions left, and that wait for Redis")),
        standstills(registry.Counter("parley_router_standstills_total",
                                     "Answers about ended sessions that came too late to act on")),
        diverted_again(registry.Counter("parley_router_diverted_again_total",
                                        "Messages sent again that had gone to other sessions than the one they name")),
        shared(registry.Counter("parley_router_shared_total",
                                "Messages that waited for an edge that is cut off, and were given to a session that "
                                "had just become available, too")),
        stored_rechecked(registry.Counter("parley_router_stored_rechecked_total",
                                          "Sessions for which the offline store was looked into, as their account was "
                                          "read and they may not have got what is there")),
        acknowledged_again(registry.Counter("parley_router_acknowledged_again_total",
                                            "Messages and requests sent again that an ended session had had")),
        storing(registry.Gauge("parley_router_storing", "Messages on their way to the offline store")),
        storing_waiting(
            registry.Gauge("parley_router_storing_waiting", "Accounts that wait for a place among those messages")),
        storing_late(registry.Counter("parley_router_storing_late_total",
                                      "Messages refused as they waited too long to be given to the offline store")),
        mailbox_repeats(registry.Counter("parley_router_mailbox_repeats_total",
                                         "Messages sent again that took the place of those that waited")),
        limits_directed(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_directed"}})),
        limits_resources(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_resources"}})),
        limits_queue(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "sm_max_stanzas"}})),
        limits_queue_bytes(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "sm_max_bytes"}})),
        limits_deferred(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_deferred"}})),
        limits_storing(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_storing"}})),
        limits_left(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "remember_left"}})),
        limits_queues(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "remember_queues"}})),
        limits_nodes(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "remember_nodes"}})),
        limits_doubtful(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_doubtful_queues"}})),
        limits_ends(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "sm_remember_ends"}})),
        limits_parked(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "max_parked"}})),
        limits_bind(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "bind_timeout"}})),
        limits_settling(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "handover_timeout"}})),
        limits_store(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "roster_timeout"}})),
        limits_roster_doubt(
            registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "roster_doubt_timeout"}})),
        limits_join(registry.Counter("parley_router_limits_total", "Limits reached", {{"limit", "join_timeout"}})),
        join_seconds(registry.Gauge("parley_router_join_seconds",
                                    "How long it waited, last, for all edges and routers before it served")),
        away(registry.Gauge("parley_router_away", "1: Redis cannot be reached, other routers serve our accounts")),
        departures(registry.Counter("parley_router_departures_total", "Times that it left the ring without Redis")),
        return_delay(registry.Gauge("parley_router_return_delay_seconds",
                                    "How long Redis must have answered it before it comes back to the ring")),
        bind_retries(
            registry.Counter("parley_router_bind_retries_total", "Binds that waited for the end of a session")),
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
  prometheus::Counter& queued;
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
  SessionEventCounters session_events;
  prometheus::Counter& ghosts;
  prometheus::Counter& resumed;
  prometheus::Counter& not_resumed;
  prometheus::Counter& resume_later;
  prometheus::Counter& handed_over;
  prometheus::Counter& handed_over_gone;
  prometheus::Counter& handed_over_late;
  prometheus::Counter& orphaned;
  prometheus::Counter& expired;
  prometheus::Counter& unacknowledged_delivered;
  prometheus::Counter& unacknowledged_stored;
  prometheus::Counter& unacknowledged_bounced;
  prometheus::Counter& unacknowledged_ended;
  prometheus::Counter& unacknowledged_elsewhere;  // another router has taken care of it
  prometheus::Counter& unacknowledged_again;      // its sender has sent it again
  prometheus::Counter& reaped_nodes;
  prometheus::Counter& reaped_sessions;
  prometheus::Gauge& unsaved;
  prometheus::Gauge& deferred;
  prometheus::Counter& standstills;
  prometheus::Counter& diverted_again;
  prometheus::Counter& shared;
  prometheus::Counter& stored_rechecked;
  prometheus::Counter& acknowledged_again;
  prometheus::Gauge& storing;
  prometheus::Gauge& storing_waiting;
  prometheus::Counter& storing_late;
  prometheus::Counter& mailbox_repeats;
  prometheus::Counter& limits_directed;
  prometheus::Counter& limits_resources;
  prometheus::Counter& limits_queue;
  prometheus::Counter& limits_queue_bytes;
  prometheus::Counter& limits_deferred;
  prometheus::Counter& limits_storing;
  prometheus::Counter& limits_left;
  prometheus::Counter& limits_queues;
  prometheus::Counter& limits_nodes;
  prometheus::Counter& limits_doubtful;
  prometheus::Counter& limits_ends;
  prometheus::Counter& limits_parked;
  prometheus::Counter& limits_bind;
  prometheus::Counter& limits_settling;
  prometheus::Counter& limits_store;
  prometheus::Counter& limits_roster_doubt;
  prometheus::Counter& limits_join;
  prometheus::Gauge& join_seconds;
  prometheus::Gauge& away;
  prometheus::Counter& departures;
  prometheus::Gauge& return_delay;
  prometheus::Counter& bind_retries;
  prometheus::Histogram& redis_seconds;
  prometheus::Histogram& roster_seconds;
  prometheus::Counter& roster_failures;

 private:
  prometheus::Counter& Deliveries(const std::string& outcome) {
    return registry.Counter("parley_router_deliveries_total", "What came of stanzas", {{"outcome", outcome}});
  }
  prometheus::Counter& Resumptions(const std::string& outcome) {
    return registry.Counter("parley_router_resumptions_total", "Asks to resume a session (XEP-0198)",
                            {{"outcome", outcome}});
  }
  prometheus::Counter& HandOvers(const std::string& outcome) {
    return registry.Counter("parley_router_handovers_total", "Edges asked to hand over a session",
                            {{"outcome", outcome}});
  }
  prometheus::Counter& Unacknowledged(const std::string& outcome) {
    return registry.Counter("parley_router_unacknowledged_total",
                            "What came of stanzas that a session left unacknowledged", {{"outcome", outcome}});
  }
};

}  // namespace parley::router

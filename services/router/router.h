#pragma once

#include <functional>
#include <string>

#include "libs/base/loop.h"
#include "libs/config/config.h"
#include "libs/rpc/certificate_gauge.h"
#include "libs/rpc/server.h"
#include "libs/storage/storage_metrics.h"
#include "libs/telemetry/metrics.h"
#include "libs/tracing/tracer.h"
#include "services/router/account_removal.h"
#include "services/router/account_table.h"
#include "services/router/admin_operations.h"
#include "services/router/delivery.h"
#include "services/router/domains.h"
#include "services/router/edges.h"
#include "services/router/fanout.h"
#include "services/router/intake.h"
#include "services/router/iq_dispatcher.h"
#include "services/router/joining.h"
#include "services/router/nodes.h"
#include "services/router/offline.h"
#include "services/router/offline_spool.h"
#include "services/router/orphans.h"
#include "services/router/peers.h"
#include "services/router/presence.h"
#include "services/router/pushes.h"
#include "services/router/reaper.h"
#include "services/router/redis_watch.h"
#include "services/router/resumption.h"
#include "services/router/roster_client.h"
#include "services/router/rules.h"
#include "services/router/sender.h"
#include "services/router/session_asks.h"
#include "services/router/session_store.h"
#include "services/router/sessions.h"
#include "services/router/stranded.h"
#include "services/router/subscriptions.h"
#include "services/router/unacknowledged.h"

namespace parley::router {

// The whole service in one process, without its command line and signals.
class Router {
 public:
  // Throws std::runtime_error if it cannot listen.
  Router(Loop& loop, const config::Config& config, telemetry::Metrics& metrics);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  int port() const { return server_.port(); }
  // What the links to it tell: for who measures what it does without them.
  Intake& intake() { return intake_; }
  // For readiness: what is missing; empty if nothing is.
  std::string MissingRedis() const;
  std::string MissingPeers() const;
  std::string MissingRoster() const { return rosters_.available() ? "" : "no roster service can be reached"; }
  // Tells all peers, and calls `done` when nothing is held any more.
  void Drain(std::function<void()> done);

  // Nothing is held, nothing is under way.
  bool Idle();
  // While something that the account waits for is in doubt.
  Task<void> LetIn(const std::string& owner, const roster::v1::Ask& ask);
  bool HasEdge(const std::string& instance) const { return edges_.linked(instance); }

 private:
  // A key of Redis, by somebody else; nullptr: any may have.
  void OnChanged(const std::string* key);
  void OnNodeDied(const Nodes::Node& node);
  // The ring, and come back to it.
  void Leave();
  void ComeBack();

  Loop& loop_;
  const Options options_;
  const rpc::Self self_;
  const rpc::LinkOptions links_;
  Metrics metrics_;
  tracing::Tracer tracer_;
  Domains domains_;
  storage::Redis redis_;
  storage::RedisMetrics redis_metrics_;
  SessionStore store_;
  RosterClient rosters_;
  rpc::AccountsClient credentials_;
  AccountTable accounts_;
  Nodes nodes_;
  Edges edges_;
  Sender sender_;
  Fanout fanout_;
  Pushes pushes_;
  OfflineSpool spool_;
  OrphanQueues orphan_queues_;
  Offline offline_;
  Delivery delivery_;
  PastQueues past_;
  Unanswered unanswered_;
  Unacknowledged unacknowledged_;
  Sessions sessions_;
  Orphans orphans_;
  Stranded stranded_;
  Presence presence_;
  Subscriptions subscriptions_;
  AccountRemoval removal_;
  IqDispatcher iqs_;
  Rules rules_;
  Resumption resumption_;
  SessionAsks asks_;
  Intake intake_;
  Peers peers_;
  RedisWatch redis_watch_;
  Reaper reaper_;
  AdminOperations operations_;
  Tasks tasks_;  // its end ends what uses the others
  rpc::Server server_;
  Joining joining_;
  rpc::CertificateGauge certificate_gauge_;
  Loop::Timer drain_timer_;
};

}  // namespace parley::router

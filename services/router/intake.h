#pragma once

#include "libs/rpc/link.h"
#include "libs/tracing/tracer.h"
#include "services/router/account_table.h"
#include "services/router/edges.h"
#include "services/router/metrics.h"
#include "services/router/peers.h"
#include "services/router/session_asks.h"

namespace parley::router {

// What comes in: by the links that edges and other routers opened to us.
class Intake final : public rpc::LinkHandler {
 public:
  Intake(AccountTable& accounts, Edges& edges, Peers& peers, SessionAsks& asks, Metrics& metrics,
         const tracing::Tracer& tracer)
      : accounts_(accounts), edges_(edges), peers_(peers), asks_(asks), metrics_(metrics), tracer_(tracer) {}

  // To the mailbox of the account that it concerns.
  void Take(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt);

  void OnUp(rpc::Link& link) override;
  void OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override;
  void OnRefused(rpc::Link& link, rpc::Held held, rpc::RefusalReason reason) override;
  void OnRequest(rpc::Link& link, const std::string& body, Respond respond) override;
  void OnDraining(rpc::Link& link) override;
  void OnWritable(rpc::Link&) override {}
  void OnHurried(rpc::Link& link) override;
  void OnDown(rpc::Link& link, std::vector<rpc::Held> held) override;

 private:
  AccountTable& accounts_;
  Edges& edges_;
  Peers& peers_;
  SessionAsks& asks_;
  Metrics& metrics_;
  const tracing::Tracer& tracer_;
};

}  // namespace parley::router

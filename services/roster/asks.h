#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/rpc/link.h"
#include "libs/tracing/tracer.h"
#include "services/roster/call_metrics.h"
#include "services/roster/contacts/roster_store.h"
#include "services/roster/offline/offline_store.h"
#include "services/roster/offline/offline_writer.h"

namespace parley::roster {

// Answers what routers ask over their links (parley.roster.v1).
class Asks final : public rpc::LinkHandler {
 public:
  Asks(RosterStore& rosters, OfflineStore& offline, OfflineWriter& writer, telemetry::Metrics& metrics,
       const tracing::Tracer& tracer);

  // `done` is called once, now or later.
  void Answer(const v1::Ask& ask, std::function<void(v1::Answer)> done);
  std::size_t under_way() const { return metrics_.under_way(); }

  void OnUp(rpc::Link&) override {}
  void OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) override;
  void OnRefused(rpc::Link&, rpc::Held, rpc::RefusalReason) override {}
  void OnRequest(rpc::Link& link, const std::string& body, Respond respond) override;
  void OnDraining(rpc::Link&) override {}
  void OnWritable(rpc::Link&) override {}
  void OnDown(rpc::Link&, std::vector<rpc::Held>) override {}

 private:
  // Its span ends with the answer.
  std::function<void(v1::Answer)> Trace(const v1::Ask& ask, std::function<void(v1::Answer)> done) const;
  void Dispatch(const v1::Ask& ask, std::function<void(v1::Answer)> done);

  RosterStore& rosters_;
  OfflineStore& offline_;
  OfflineWriter& writer_;
  CallMetrics metrics_;
  const tracing::Tracer& tracer_;
};

}  // namespace parley::roster

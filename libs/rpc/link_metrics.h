#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "libs/telemetry/metrics.h"
#include "parley/link/v1/link.pb.h"

namespace parley::rpc {

// What the links of one kind (to the routers, from the edges, ...) do. Nothing per envelope: once a frame.
class LinkMetrics {
 public:
  // Null when there is nowhere to count.
  static std::shared_ptr<LinkMetrics> Make(telemetry::Metrics* metrics, const std::string& kind);
  LinkMetrics(telemetry::Metrics& metrics, const std::string& kind);

  struct Direction {
    prometheus::Counter& frames;
    prometheus::Counter& envelopes;
    prometheus::Counter& bytes;
    prometheus::Counter& acks;
    prometheus::Counter& refusals;
  };
  Direction sent;
  Direction received;
  // By the stanza's kind: from being sent until the peer, or whoever it passed it on to, took responsibility.
  std::array<prometheus::Histogram*, link::v1::KIND_IQ + 1> settling{};
  prometheus::Histogram* Settling(link::v1::Kind kind) const {
    return kind >= 0 && kind <= link::v1::KIND_IQ ? settling[kind] : nullptr;
  }
  prometheus::Histogram& batch;  // envelopes in a frame that has any
  prometheus::Gauge& links;      // up now
  prometheus::Counter& ups;
  prometheus::Counter& downs;
  prometheus::Counter& failed_dials;
  prometheus::Counter& violations;
  prometheus::Gauge& queued;  // waiting for a window
  prometheus::Gauge& unacknowledged;
  prometheus::Counter& stalls;  // seconds
  prometheus::Counter& acks_gathered;
  prometheus::Histogram& ask_seconds;
  prometheus::Counter& asks_failed;
};

}  // namespace parley::rpc

#include "libs/rpc/link_metrics.h"

#include <utility>

namespace parley::rpc {
namespace {

LinkMetrics::Direction MakeDirection(telemetry::Metrics& metrics, const std::string& kind,
                                     const std::string& direction) {
  const telemetry::Metrics::Labels labels{{"link", kind}, {"direction", direction}};
  return {
      metrics.Counter("parley_link_frames_total", "Frames on links", labels),
      metrics.Counter("parley_link_envelopes_total", "Envelopes on links", labels),
      metrics.Counter("parley_link_bytes_total", "Bytes of frames on links", labels),
      metrics.Counter("parley_link_acks_total", "Acknowledgements on links", labels),
      metrics.Counter("parley_link_refusals_total", "Envelopes given back on links", labels),
  };
}

}  // namespace

std::shared_ptr<LinkMetrics> LinkMetrics::Make(telemetry::Metrics* metrics, const std::string& kind) {
  return metrics == nullptr ? nullptr : std::make_shared<LinkMetrics>(*metrics, kind);
}

LinkMetrics::LinkMetrics(telemetry::Metrics& metrics, const std::string& kind)
    : sent(MakeDirection(metrics, kind, "sent")),
      received(MakeDirection(metrics, kind, "received")),
      batch(metrics.Histogram("parley_link_batch_envelopes", "Envelopes in a frame sent that has any", {{"link", kind}},
                              {1, 2, 4, 8, 16, 32, 64, 128, 256})),
      links(metrics.Gauge("parley_link_up", "Links that are up", {{"link", kind}})),
      ups(metrics.Counter("parley_link_ups_total", "Links that came up", {{"link", kind}})),
      downs(metrics.Counter("parley_link_downs_total", "Links that broke or ended", {{"link", kind}})),
      failed_dials(metrics.Counter("parley_link_failed_dials_total", "Attempts that never came up", {{"link", kind}})),
      violations(metrics.Counter("parley_link_violations_total", "Links ended because the peer broke the contract",
                                 {{"link", kind}})),
      queued(
          metrics.Gauge("parley_link_queued_envelopes", "Envelopes that wait for a peer's window", {{"link", kind}})),
      unacknowledged(
          metrics.Gauge("parley_link_unacknowledged_envelopes", "Envelopes sent and not settled", {{"link", kind}})),
      stalls(metrics.Counter("parley_link_window_full_seconds_total", "Time that envelopes waited for a full window",
                             {{"link", kind}})),
      acks_gathered(metrics.Counter("parley_link_acks_gathered_total",
                                    "Acknowledgements sent since so many had gathered that none could wait any more",
                                    {{"link", kind}})),
      ask_seconds(metrics.Histogram("parley_link_ask_seconds", "Time from a request to its reply", {{"link", kind}})),
      asks_failed(
          metrics.Counter("parley_link_asks_failed_total", "Requests without a useful reply", {{"link", kind}})) {
  using Kind = link::v1::Kind;
  for (const auto& [stanza, name] :
       {std::pair{Kind::KIND_MESSAGE, "message"}, {Kind::KIND_PRESENCE, "presence"}, {Kind::KIND_IQ, "iq"}}) {
    settling[stanza] = &metrics.Histogram("parley_link_settled_seconds",
                                          "Time until a stanza was delivered, stored or answered (a sample of them)",
                                          {{"link", kind}, {"kind", name}});
  }
}

}  // namespace parley::rpc

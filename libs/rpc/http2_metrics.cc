#include "libs/rpc/http2_metrics.h"

#include <utility>

namespace parley::rpc {

Http2Metrics::Http2Metrics(telemetry::Metrics* metrics) {
  if (metrics == nullptr) return;
  for (const auto& [limit, name] : {std::pair{Http2Limit::kConnections, "connections"},
                                    {Http2Limit::kHelloTime, "hello_time"},
                                    {Http2Limit::kCalls, "calls"},
                                    {Http2Limit::kPendingCalls, "pending_calls"},
                                    {Http2Limit::kHeaderBytes, "header_bytes"},
                                    {Http2Limit::kMessageBytes, "message_bytes"},
                                    {Http2Limit::kItems, "items"},
                                    {Http2Limit::kUnreadBytes, "unread_bytes"},
                                    {Http2Limit::kUnsentBytes, "unsent_bytes"},
                                    {Http2Limit::kSilence, "silence"},
                                    {Http2Limit::kFlood, "flood"}}) {
    reached_[static_cast<std::size_t>(limit)] =
        &metrics->Counter("parley_rpc_limits_total", "A limit between services was reached", {{"limit", name}});
  }
}

void Http2Metrics::Reached(Http2Limit limit) const {
  if (auto* counter = reached_[static_cast<std::size_t>(limit)]) counter->Increment();
}

}  // namespace parley::rpc

#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "libs/telemetry/metrics.h"

namespace parley::rpc {

// Limits of the connections between services that were reached. Each has its key below `link` (kSilence:
// keepalive_timeout, by a peer that is there again: Http2Connection::Doubt), but kFlood, which is nghttp2's: calls that
// are taken back at once (RFC 9113 section 10.5), answers that are not read. Who says more than max_unread_bytes
// without reading what we say is counted there, too.
enum class Http2Limit {
  kConnections,
  kHelloTime,
  kCalls,
  kPendingCalls,
  kHeaderBytes,
  kMessageBytes,
  kItems,
  kUnreadBytes,
  kUnsentBytes,
  kSilence,
  kFlood,
};

class Http2Metrics {
 public:
  // `metrics`: nullptr for nowhere.
  explicit Http2Metrics(telemetry::Metrics* metrics);
  void Reached(Http2Limit limit) const;

 private:
  std::array<prometheus::Counter*, static_cast<std::size_t>(Http2Limit::kFlood) + 1> reached_{};
};

}  // namespace parley::rpc

#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/rpc/server.h"
#include "services/router/metrics.h"
#include "services/router/nodes.h"
#include "services/router/options.h"
#include "services/router/peers.h"

namespace parley::router {

// A router that has started, or was away, serves accounts only once all edges and routers are linked to it, and takes
// them over by a changeover (rpc::Server::Join): else it and their former homes would both serve them while edges
// differ in whom they know. Which edges there are Redis says (leases), which routers our own links. At most
// `router.join_timeout`: who cannot reach us by then hears of it late. Where no other router serves, senders do not
// wait for it (rpc::Ring).
class Joining {
 public:
  Joining(Loop& loop, const Nodes& nodes, const Peers& peers, rpc::Server& server, const Options& options,
          Metrics& metrics, std::function<void()> joined);

  void Begin();
  void Stop();
  bool joining() const { return timer_.armed() || changing_over_; }

 private:
  using Clock = std::chrono::steady_clock;
  void Look();
  // Who is not linked to us yet; or whether that is known.
  std::vector<std::string> Missing() const;

  Loop& loop_;
  const Nodes& nodes_;
  const Peers& peers_;
  rpc::Server& server_;
  const std::chrono::milliseconds timeout_;
  Metrics& metrics_;
  std::function<void()> joined_;
  Clock::time_point begun_;
  bool changing_over_ = false;
  Loop::Timer timer_;
};

}  // namespace parley::router

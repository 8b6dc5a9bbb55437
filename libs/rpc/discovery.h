#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"

namespace parley::rpc {

struct DiscoveryOptions {
  // Each "host:port". A host name may resolve to many addresses (a Kubernetes headless service); all are used.
  std::vector<std::string> targets;
  std::chrono::milliseconds refresh{5000};
};

// Watches where the replicas of a service are. `changed` gets the whole sorted list of "ip:port" each time that it
// changes. A name that does not resolve keeps its last answer. Resolution blocks on a thread of its own; `changed` runs
// on the loop's thread.
class Discovery {
 public:
  Discovery(Loop& loop, DiscoveryOptions options, std::function<void(const std::vector<std::string>&)> changed);
  ~Discovery();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::rpc

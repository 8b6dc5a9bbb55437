#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/task.h"
#include "libs/storage/redis.h"
#include "services/router/metrics.h"
#include "services/router/nodes.h"
#include "services/router/options.h"
#include "services/router/peers.h"
#include "services/router/session_store.h"

namespace parley::router {

// Ends the sessions of edges that died, each through its account's home, at once or when they may not be resumed any
// more. Every router hears of a death; the one that claims the node in Redis does the work, in pages; if it dies too,
// its claim lapses and another goes on.
class Reaper {
 public:
  Reaper(Loop& loop, Tasks& tasks, storage::Redis& redis, Nodes& nodes, Peers& peers, const Options& options,
         Metrics& metrics);
  ~Reaper() { *alive_ = false; }

  void OnNodeDied(const Nodes::Node& node);
  // Our router stops: others go on where it ends, and end what dies from now on.
  void Stop() { stopped_ = true; }

 private:
  struct Page {
    std::string cursor;
    std::vector<std::string> members;
  };

  Task<void> Reap(Nodes::Node node);
  enum class Swept {
    kDone,
    kNotYet,  // some sessions stay, to be looked at again
    kLost,    // Redis is away, or the claim is another router's
  };
  Task<Swept> Sweep(const Nodes::Node& node);
  Task<bool> Forget(const Nodes::Node& node);
  Task<bool> Claim(const Nodes::Node& node);
  Task<void> GiveUpClaim(const Nodes::Node& node);
  Task<Result<Page>> Read(const Nodes::Node& node, std::string cursor);
  Task<std::vector<std::string>> EndSessions(const Nodes::Node& node, std::vector<std::string> members);
  // Nodes that died while no router was looking.
  Task<void> FindForgotten();

  Tasks& tasks_;
  storage::Redis& redis_;
  Nodes& nodes_;
  Peers& peers_;
  Options options_;
  Metrics& metrics_;
  std::set<std::string> reaping_;
  bool searching_ = false;
  bool stopped_ = false;
  Loop::Timer timer_;
  // What is settled when this is gone resumes nobody: mailboxes outlive it with the loop.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace parley::router

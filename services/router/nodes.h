#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/lease.h"
#include "parley/session/v1/session.pb.h"

namespace parley::router {

using storage::NodeTable;

// Which edges are dead: those whose lease lapsed and that have no link to us. One that only Redis cannot be reached
// from goes on serving its clients, and nobody else does. More careful than NodeTable: a lease may be younger than our
// last poll, so a node that we never saw is called dead only after it was missing for some polls.
class Nodes {
 public:
  using Node = NodeTable::Node;
  struct Options {
    storage::LeaseOptions lease;
    std::chrono::milliseconds poll;
    // An edge whose lease had lapsed puts its sessions back under the new one. What it has not put back by then is not
    // its session any more.
    std::chrono::milliseconds restore_grace;
  };
  // `died` is called once for each node that turned out to be dead.
  Nodes(Loop& loop, storage::Redis& redis, const Options& options, std::function<void(const Node&)> died);

  // Links to edges, by rpc::Peer::epoch.
  void OnLinkUp(const std::string& process);
  void OnLinkDown(const std::string& process);

  bool Dead(std::string_view instance, std::string_view epoch);
  bool Dead(const session::v1::Record& record) { return Dead(record.node(), record.node_epoch()); }
  // It never was alive: `died` is called, each time.
  void CallDead(const Node& node);
  std::vector<Node> alive() const { return table_.nodes(); }
  // Redis has said lately which edges are alive.
  bool known() const { return table_.known(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Suspicion {
    Clock::time_point since;
    bool lapsed = false;  // seen alive before
    bool dead = false;
  };
  using Key = std::pair<std::string, std::string>;

  bool Judge(const Key& key, Suspicion& suspicion);
  bool TimeIsUp(const Key& key, Suspicion& suspicion) const;
  bool HasNewLease(const Key& key) const;
  void JudgeAll();
  void Bury(const Node& node);

  const Options options_;
  std::function<void(const Node&)> died_;
  std::map<Key, Suspicion> suspects_;
  std::multiset<std::string, std::less<>> linked_;  // processes
  NodeTable table_;
  Loop::Timer timer_;
};

}  // namespace parley::router

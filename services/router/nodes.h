#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/lease.h"
#include "parley/session/v1/session.pb.h"

namespace parley::router {

using storage::NodeTable;

// Which edges are dead. More careful than NodeTable: a lease may be younger than our last poll, so a node that we never
// saw is called dead only after it was missing for some polls.
class Nodes {
 public:
  using Node = NodeTable::Node;
  // `died` is called once for each node that turned out to be dead.
  Nodes(Loop& loop, storage::Redis& redis, storage::LeaseOptions lease, std::chrono::milliseconds poll,
        std::function<void(const Node&)> died);

  bool Dead(std::string_view instance, std::string_view epoch);
  bool Dead(const session::v1::Record& record) { return Dead(record.node(), record.node_epoch()); }
  // Dead, and for so long.
  bool DeadFor(const session::v1::Record& record, std::chrono::milliseconds time);
  // It never was alive: `died` is called, each time.
  void CallDead(const Node& node);
  std::vector<Node> alive() const { return table_.nodes(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Suspicion {
    Clock::time_point since;
    bool dead = false;
  };
  using Key = std::pair<std::string, std::string>;

  bool Judge(const Key& key, Suspicion& suspicion);
  void JudgeAll();
  void Bury(const Node& node);

  std::chrono::milliseconds patience_;
  std::function<void(const Node&)> died_;
  std::map<Key, Suspicion> suspects_;
  NodeTable table_;
  Loop::Timer timer_;
};

}  // namespace parley::router

#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "libs/base/task.h"
#include "libs/storage/lease.h"
#include "libs/storage/redis.h"
#include "libs/telemetry/metrics.h"
#include "parley/session/v1/session.pb.h"

namespace parley::router {

using session::v1::Record;

// In Redis, for each node (an incarnation of an edge) the set of its sessions, so that they are found if it dies. Only
// a help: what is in it and has ended does no harm.
class NodeIndex {
 public:
  // `limit` counts how often more than `max_nodes` would have been remembered.
  NodeIndex(storage::Redis& redis, std::size_t max_nodes, prometheus::Counter& limit)
      : redis_(redis), max_nodes_(max_nodes), limit_(limit) {}

  void Add(const std::string& bare, const Record& record);
  // The same, for a node that is being cleaned up after: its index may just have been found empty. False: Redis may not
  // have it.
  Task<bool> AddAgain(std::string bare, Record record);
  // It has another node now.
  void Remove(const std::string& bare, const Record& record);
  // It is over. False: Redis may still have it.
  Task<bool> RemoveForGood(std::string bare, Record record);
  // Redis may have lost its data.
  void ForgetNodes() { nodes_.clear(); }

 private:
  storage::Redis& redis_;
  const std::size_t max_nodes_;
  prometheus::Counter& limit_;
  std::set<std::string> nodes_;  // that are known to be in the set of all
};

// The member of a node's index for a session: "<session id> <full JID>".
std::string IndexMember(std::string_view bare, const Record& record);
struct IndexEntry {
  std::string session;
  std::string jid;
};
IndexEntry ParseIndexMember(std::string_view member);
// The set of all nodes ("<instance>/<epoch>") that have an index.
inline constexpr char kIndexedNodes[] = "parley:n";
// nullopt: no name of a node.
std::optional<storage::NodeTable::Node> ParseNodeName(std::string_view name);

}  // namespace parley::router

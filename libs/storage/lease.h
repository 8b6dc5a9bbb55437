#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/storage/redis.h"

// Which edges live: leases in the sorted set `parley:nodes` (ARCHITECTURE.md, "Sessions in Redis"), by Redis' clock.
namespace parley::storage {

struct LeaseOptions {
  std::chrono::milliseconds ttl{4000};
  std::chrono::milliseconds refresh{1000};
};

// The edge's side: keeps the lease of this process.
class NodeLease {
 public:
  // `changed(epoch)`: the lease is held under this epoch, for the first time or anew because it had lapsed (the process
  // was stopped or cut off longer than the ttl, or Redis lost its data): sessions must be put back under the new epoch.
  NodeLease(Loop& loop, Redis& redis, std::string instance, LeaseOptions options,
            std::function<void(const std::string& epoch)> changed);
  ~NodeLease();
  const std::string& epoch() const;  // "" before the first
  bool held() const;
  // On a clean stop: the lease ends now.
  void Release(std::function<void()> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The routers' side: knows all leases by polling one key.
class NodeTable {
 public:
  enum class Verdict {
    kAlive,
    kLapsed,   // Redis answers, and there is no such lease
    kUnknown,  // Redis is away, or came back less than a ttl ago: do not judge
  };
  struct Node {
    std::string instance;
    std::string epoch;
  };
  // `lapsed` is called once for each lease that this table saw alive and then gone.
  NodeTable(Loop& loop, Redis& redis, LeaseOptions options, std::chrono::milliseconds poll,
            std::function<void(const Node&)> lapsed);
  ~NodeTable();
  Verdict Judge(std::string_view instance, std::string_view epoch) const;
  std::vector<Node> nodes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Names of keys.
std::string SessionsKey(std::string_view bare_jid);                              // parley:s:{user@host}
std::string NodeSessionsKey(std::string_view instance, std::string_view epoch);  // parley:n:<instance>/<epoch>

}  // namespace parley::storage

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
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
  // `process`: this incarnation, as in its Hello (link.proto); its epochs are `process`.1, .2, ...
  // `changed(epoch)`: the lease is held under this epoch, for the first time or anew because it had lapsed (the process
  // was stopped or cut off longer than the ttl, or Redis lost its data): sessions must be put back under the new epoch.
  NodeLease(Loop& loop, Redis& redis, std::string instance, std::string process, LeaseOptions options,
            std::function<void(const std::string& epoch)> changed);
  ~NodeLease();
  const std::string& epoch() const;  // "" before the first
  // By our own clock: false from the moment on that nobody can take us for alive any more.
  bool held() const;
  // What Redis said to the last attempt to take or keep it, or why it is not connected; "" if nothing is wrong with it.
  const std::string& failure() const;
  // On a clean stop: the lease ends now and is not taken again. `done` comes also if Redis is away.
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
    kLapsed,   // Redis answers, and there was no such lease at the last poll (it may be younger than that)
    kUnknown,  // Redis is away, or came back or lost its data less than a ttl ago: do not judge
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
  // Redis has told lately.
  bool known() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The process whose lease has this epoch.
std::string_view ProcessOf(std::string_view epoch);
// Whether this is a later lease of the same process.
bool IsLater(std::string_view epoch, std::string_view than);

// Names of keys.
inline constexpr char kNodesKey[] = "parley:nodes";
std::string SessionsKey(std::string_view bare_jid);                              // parley:s:{user@host}
std::string NodeSessionsKey(std::string_view instance, std::string_view epoch);  // parley:n:<instance>/<epoch>

}  // namespace parley::storage

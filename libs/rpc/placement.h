#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "libs/rpc/ring.h"

namespace parley::rpc {

// Which replica serves which key, and which keys must wait because they changed hands while envelopes were under way to
// the former one. Keys are given by their hashes.
class Placement {
 public:
  // nullptr: there is no replica.
  const std::string* Choose(std::uint64_t key) const { return current_.ChooseHash(key); }
  // What was sent for this key to a former replica may not have arrived: something new could overtake it.
  bool Blocked(std::uint64_t key) const;
  std::size_t size() const { return current_.size(); }

  void Add(const std::string& instance) { current_.Add(instance); }
  void Remove(const std::string& instance) { current_.Remove(instance); }

  // Around Add or Remove: `before` is a copy from before it, `busy` are the replicas with something under way.
  // Each is to be reported by Settled or Lost, or all by Expire.
  const Rendezvous& current() const { return current_; }
  std::uint64_t BeginSettling(Rendezvous before, std::set<std::string> busy);
  void Settled(std::uint64_t change, const std::string& instance);
  // False: it was settled already.
  bool Expire(std::uint64_t change);
  // It broke: all that was under way to it is back.
  void Lost(const std::string& instance);
  // Some change waits for it.
  bool Awaited(const std::string& instance) const;

 private:
  struct Change {
    std::uint64_t id;
    Rendezvous before;
    std::set<std::string> busy;
  };
  void Forget();

  Rendezvous current_;
  std::vector<Change> changes_;
  std::uint64_t last_change_ = 0;
};

}  // namespace parley::rpc

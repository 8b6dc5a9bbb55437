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
  // While the key passes to another by a changeover, the one that has it yet.
  const std::string* ChooseYet(std::uint64_t key) const;
  // What was sent for this key to a former replica, by whomever, may not have arrived: something new could overtake it.
  bool Blocked(std::uint64_t key) const;
  std::size_t size() const { return current_.size(); }

  void Add(const std::string& instance) { current_.Add(instance); }
  void Remove(const std::string& instance) { current_.Remove(instance); }

  // Around Add or Remove: `before` is a copy from before it, `busy` are the replicas with something under way.
  // Each is to be reported by Settled or Lost, or all by Expire. `changeover`: the replica that joins or drains, if it
  // will say when all have yielded (ChangedOver); empty: nobody says so.
  const Rendezvous& current() const { return current_; }
  std::uint64_t BeginSettling(Rendezvous before, std::set<std::string> busy, std::string changeover);
  void ChangedOver(const std::string& instance);
  bool ChangesOver(const std::string& instance) const;
  // The replicas whose changeover waits for us no more, since the last call.
  std::vector<std::string> TakeYielding();
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
    std::string changeover;
    bool yielded = false;
  };
  // The replica that had the key before this change; nullptr: the change does not concern it.
  const std::string* Former(const Change& change, std::uint64_t key) const;
  void Forget();

  Rendezvous current_;
  std::vector<Change> changes_;
  std::uint64_t last_change_ = 0;
};

}  // namespace parley::rpc

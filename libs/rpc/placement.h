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
  // Who has it, or will when those that join or drain have changed over. nullptr: there is no replica.
  const std::string* Choose(std::uint64_t key) const { return current_.ChooseHash(key); }
  // Who has it yet.
  const std::string* ChooseYet(std::uint64_t key) const { return yet_.ChooseHash(key); }
  // What was sent for this key to a former replica, by whomever, may not have arrived: something new could overtake it.
  bool Blocked(std::uint64_t key) const;
  std::size_t size() const { return current_.size(); }

  // Replicas come and go. `busy` are those with something under way: each is to be reported by Settled or Lost, or all
  // by Expire. `changeover`: the replica whose doing it is, if it will say when all have yielded (ChangedOver); empty:
  // nobody says so.
  struct Members {
    std::vector<std::string> entering, leaving;
  };
  std::uint64_t Change(Members members, std::set<std::string> busy, std::string changeover);
  void ChangedOver(const std::string& instance);
  // The replicas whose changeover waits for us no more, since the last call.
  std::vector<std::string> TakeYielding();
  void Settled(std::uint64_t change, const std::string& instance);
  // False: it was settled already.
  bool Expire(std::uint64_t change);
  // It broke, and is no replica any more: all that was under way to it is back.
  void Lost(const std::string& instance);
  // Some change waits for it.
  bool Awaited(const std::string& instance) const;

 private:
  struct Pending {
    std::uint64_t id;
    Rendezvous before;
    Members members;
    std::set<std::string> busy;
    std::string changeover;
    bool yielded = false;
  };
  static void Apply(const Members& members, Rendezvous& placement);
  void EndChangeover(Pending& change);
  void Forget();

  Rendezvous current_;
  Rendezvous yet_;  // without what is changing over
  std::vector<Pending> changes_;
  std::uint64_t last_change_ = 0;
};

}  // namespace parley::rpc

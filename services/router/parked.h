#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

#include "libs/rpc/link.h"

namespace parley::router {

// What waits for an edge to come back, in order. What is one session's is found without a look at the rest: all of an
// edge's clients come back elsewhere at once.
class Parked {
 public:
  struct Item {
    rpc::Held held;  // its envelope names the session
    std::chrono::steady_clock::time_point since;
  };
  using Items = std::deque<Item>;

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  bool HasFor(const std::string& session) const { return of_session_.contains(session); }
  void Add(Item item);
  void ForEachOf(const std::string& session, const std::function<void(rpc::Held&)>& change);
  Items TakeOf(const std::string& session);
  // From the first on, as long as they were added before.
  Items TakeBefore(std::chrono::steady_clock::time_point time);
  Items TakeAll();

 private:
  using Places = std::list<std::list<Item>::iterator>;
  std::list<Item> items_;
  std::unordered_map<std::string, Places> of_session_;
};

}  // namespace parley::router

#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace parley::c2s {

class Session;

// The sessions of this edge that routers may deliver to, by id.
class SessionTable {
 public:
  SessionTable();
  ~SessionTable();
  void Add(std::shared_ptr<Session> session);
  // Routers may not deliver to it any more. It is kept until Forget, when all that it sent is taken.
  void Remove(const Session& session);
  void Forget(const Session& session);
  // nullptr: not here (any more).
  Session* Find(std::string_view id) const;
  // One that has ended, and is not forgotten yet: if there is, one that may hold something, as it was not said yet to
  // be over.
  Session* FindEnding(std::string_view id) const;
  std::size_t size() const { return sessions_.size(); }
  std::size_t ending() const { return ending_.size(); }
  std::vector<std::weak_ptr<Session>> All() const;
  // Sessions with stream management go on where they left off.
  void OnRedisUp();
  // Those that keep us from stopping: all but those that are away and are noted for another edge to take.
  std::size_t Unsettled();

 private:
  std::unordered_map<std::string_view, std::shared_ptr<Session>> sessions_;     // keys are the sessions' own ids
  std::unordered_multimap<std::string_view, std::shared_ptr<Session>> ending_;  // one may be back, and end again
};

}  // namespace parley::c2s

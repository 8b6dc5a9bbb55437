#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libs/base/loop.h"
#include "libs/base/task.h"
#include "services/router/metrics.h"

namespace parley::router {

// Places for messages on their way to the offline store, so many in all, and the accounts that wait for one: first
// come, first served, each at most for a time. Loop's thread only; held by shared_ptr.
class StoreRoom : public std::enable_shared_from_this<StoreRoom> {
 public:
  struct Options {
    std::size_t places = 0;
    Loop::Duration patience{};
    // Whether there may be something to let in (AccountTable::LetIn) while the account waits.
    std::function<bool(const std::string& owner)> has_overtakers;
  };
  StoreRoom(Loop& loop, Options options, Metrics& metrics);

  // A place for a message of this account. False: it has to wait.
  bool Take(const std::string& owner);
  // A message that had a place is on its way no more.
  void Free();

  enum class News {
    kPlace,       // there is one for it
    kOvertakers,  // may be let in before it waits on: it keeps its place in the line
    kLate,        // it has waited too long. So will all of its messages until it is served, or the line is over
  };
  // In the owner's turn.
  Task<News> Wait(std::string owner);

  // Who waits in its turn holds one of these: at its end the account leaves the line, or gives back a place that it has
  // not used.
  class Visit {
   public:
    Visit(std::weak_ptr<StoreRoom> room, std::string owner) : room_(std::move(room)), owner_(std::move(owner)) {}
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    std::weak_ptr<StoreRoom> room_;  // a coroutine may outlive it
    std::string owner_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  using Resume = std::function<void(News)>;
  struct Place {
    std::string owner;
    Clock::time_point until;
    bool late = false;
    Resume resume;  // null: it does not wait now
  };
  using Line = std::list<Place>;

  bool HasPlace() const { return taken_ + given_.size() < options_.places; }
  Place& Join(const std::string& owner);
  void Leave(const std::string& owner);
  void Erase(Line::iterator place);
  void Serve();
  void Look();
  void Wake(Place& place, News news);

  Loop& loop_;
  const Options options_;
  Metrics& metrics_;
  std::size_t taken_ = 0;
  std::set<std::string> given_;  // places that nobody has used yet, by owner
  Line line_;
  std::unordered_map<std::string_view, Line::iterator> by_owner_;  // keys point into the line
  std::size_t waiting_ = 0;                                        // of the line
  Loop::Timer look_;
};

}  // namespace parley::router

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "services/c2s/session/latest_numbers.h"

namespace parley::c2s {

// Recognises deliveries that came before: after a router died, the sender's edge sends again what may have arrived.
// Remembers the latest numbers seen from each origin for each session, for at least a period and at most two, and no
// more than so many.
class Repeats {
 public:
  using Clock = std::chrono::steady_clock;
  Repeats(std::size_t max_entries, Clock::duration period) : max_entries_(max_entries / 2), period_(period) {}

  // True: this one was noted before, or it is far older than the latest: numbers of one origin come to one session in
  // rising order, but one that was refused by the session's former edge may come behind the next.
  // `origin` and `seq`: session::MarkOf. `session`: Session::number.
  bool Seen(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now);
  // The same of what is noted one by one (session::IsNotedOneByOne): of what was noted up to a number only those count.
  bool SeenOneByOne(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now);
  // True: this very one was noted, and is among the latest. What is only older than another may be new.
  bool SeenItself(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now);
  // kShorter: for want of room, older ones are forgotten before the period is over.
  enum class Kept { kAll, kShorter };
  Kept Note(std::uint64_t origin, std::uint64_t session, std::uint64_t seq, Clock::time_point now);
  struct Past {
    std::uint64_t seq;            // this very one, and all before it
    std::uint64_t itself;         // bit n: seq - n is noted itself, too
    std::uint64_t unknown_up_to;  // above this, what is noted one by one is only noted by these bits
  };
  Kept NoteUpTo(std::uint64_t origin, std::uint64_t session, const Past& past, Clock::time_point now);
  std::size_t size() const { return young_.size() + old_.size(); }

 private:
  struct Key {
    std::uint64_t origin;  // a hash: ids are random, a clash is out of reach
    std::uint64_t session;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    using is_avalanching = void;  // the origin is a hash already
    std::size_t operator()(const Key& key) const { return key.origin ^ (key.session * 0x9e3779b97f4a7c15ull); }
  };
  struct Numbers {
    LatestNumbers latest;     // noted one by one
    std::uint64_t up_to = 0;  // all to this one
    std::uint64_t unknown_up_to = 0;
  };
  using Generation = boost::unordered_flat_map<Key, Numbers, Hash>;
  // Either generation has numbers for the key of which that is true.
  template <class Known>
  bool Any(const Key& key, Clock::time_point now, Known known);
  Kept Age(Clock::time_point now);

  const std::size_t max_entries_;
  const Clock::duration period_;
  Generation young_;
  Generation old_;
  Clock::time_point born_;  // of young_
};

}  // namespace parley::c2s

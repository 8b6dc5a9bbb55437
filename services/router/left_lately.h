#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "parley/link/v1/link.pb.h"

namespace parley::router {

// What sessions that ended lately left unacknowledged, by who had sent it: it is handled again under the session's name
// (session::MarkOf), which its sender does not know. If its edge died meanwhile, it sends the same again.
class LeftLately {
 public:
  using Clock = std::chrono::steady_clock;
  LeftLately(Clock::duration remember, std::size_t most) : remember_(remember), most_(most) {}

  // `left`: has both names. Nothing is known of what nobody sent. False: there was no room, the oldest is forgotten
  // before its time.
  bool Note(const link::v1::Envelope& left, Clock::time_point now);
  // Gives a repeat of it the session's name, by which all others recognise it. False: it is none.
  bool Rename(link::v1::Envelope& envelope, Clock::time_point now) const;

 private:
  struct Left {
    std::string session;
    std::uint64_t number;
    Clock::time_point since;
  };
  struct Past {
    std::uint64_t sent;
    Clock::time_point since;
  };
  void ForgetOld(Clock::time_point now);
  void ForgetOldest();

  Clock::duration remember_;
  std::size_t most_;
  std::unordered_map<std::uint64_t, Left> left_;  // by hash
  std::deque<Past> past_;                         // oldest first
};

}  // namespace parley::router

#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace parley::router {

// How long Redis must have answered a router that has left the ring before it comes back, as each return makes
// everybody link again. Twice as long after each departure that follows within `longest` on a return, up to `longest`;
// as at first once it has been well for that long since it came back.
class ReturnDelay {
 public:
  using Clock = std::chrono::steady_clock;
  ReturnDelay(std::chrono::milliseconds shortest, std::chrono::milliseconds longest)
      : shortest_(shortest), longest_(longest), current_(shortest) {}

  std::chrono::milliseconds shortest() const { return shortest_; }
  std::chrono::milliseconds current() const { return current_; }

  void NoteDeparture() {
    if (std::exchange(returned_, std::nullopt)) current_ = std::min(current_ * 2, longest_);
  }
  void NoteReturn(Clock::time_point now) { returned_ = now; }
  // Redis answers. True: it is as at first again.
  bool NoteWell(Clock::time_point now) {
    if (!returned_ || now - *returned_ < longest_) return false;
    returned_.reset();
    current_ = shortest_;
    return true;
  }

 private:
  const std::chrono::milliseconds shortest_;
  const std::chrono::milliseconds longest_;
  std::chrono::milliseconds current_;
  std::optional<Clock::time_point> returned_;  // lately
};

}  // namespace parley::router

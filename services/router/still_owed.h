#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/loop.h"

namespace parley::router {

// What Redis said last of what a session left: nobody else has taken care of it. That counts for all that is handled
// in the same turn of the loop, which is short, unless we stood still in the middle of it. Loop's thread only.
class StillOwed {
 public:
  using Clock = std::chrono::steady_clock;
  StillOwed(Loop& loop, Clock::duration standstill) : loop_(loop), standstill_(standstill) {}

  // `asked`: when. In the turn in which the answer came.
  void Note(std::string session, Clock::time_point asked);
  bool Is(std::string_view session, Clock::time_point now) const;

 private:
  struct Known {
    std::string session;
    Clock::time_point asked;
    bool over = false;
    void End() { over = true; }
  };

  Loop& loop_;
  Clock::duration standstill_;
  std::shared_ptr<Known> known_;
};

}  // namespace parley::router

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "libs/base/loop.h"

namespace parley::c2s {

// Coarse timers for many owners at the price of one: a hashed wheel that turns every tick. A timer is a member of its
// owner (40 bytes, nothing on the heap), is never early, and is late by at most two ticks.
class Wheel {
 public:
  using Duration = Loop::Duration;
  using Ticks = std::uint32_t;

  class Timer {
   public:
    // `fire(owner)` may arm or destroy this timer.
    Timer(void (*fire)(void*), void* owner) : fire_(fire), owner_(owner) {}
    ~Timer() { Cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    void Cancel();
    bool armed() const { return next_ != nullptr; }

   private:
    friend class Wheel;
    void (*fire_)(void*);
    void* owner_;
    Timer* next_ = nullptr;
    Timer* previous_ = nullptr;
    Ticks due_ = 0;
  };

  explicit Wheel(Loop& loop, Duration tick = std::chrono::milliseconds(100));

  // Replaces an earlier arming.
  void Arm(Timer& timer, Duration delay);
  // Ticks since the start: a clock that costs nothing to read.
  Ticks now() const { return now_; }
  Ticks ToTicks(Duration duration) const;
  Duration ToDuration(Ticks ticks) const { return tick_ * ticks; }
  // One step, as the loop's timer makes it.
  void Turn();

 private:
  static constexpr std::size_t kSlots = 1024;
  struct Slot : Timer {
    Slot() : Timer(nullptr, nullptr) { next_ = previous_ = this; }
    ~Slot() { next_ = nullptr; }
  };
  static void Link(Timer& head, Timer& timer);

  Duration tick_;
  Ticks now_ = 0;
  std::unique_ptr<Slot[]> slots_{new Slot[kSlots]};
  Loop::Timer turning_;
};

}  // namespace parley::c2s

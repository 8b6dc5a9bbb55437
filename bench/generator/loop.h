#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace parley::bench {

using Nanoseconds = std::uint64_t;
Nanoseconds Now();  // monotonic

// One thread's epoll loop, with timers of microseconds.
class Loop {
 public:
  class Handler {
   public:
    virtual void OnEvents(std::uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Level-triggered. A descriptor leaves by being closed.
  void Watch(int fd, Handler& handler, std::uint32_t events);
  void Change(int fd, Handler& handler, std::uint32_t events);
  // When this turn's events are done.
  void Post(std::function<void()> action) { posted_.push_back(std::move(action)); }
  void At(Nanoseconds when, std::function<void()> action);
  // At the end of each turn, before it sleeps: where gathered output leaves.
  void SetEndOfTurn(std::function<void()> flush) { flush_ = std::move(flush); }
  void Run();
  void Stop() { running_ = false; }

 private:
  struct Timer {
    Nanoseconds when;
    std::uint64_t order;
    std::function<void()> action;
    bool operator>(const Timer& other) const { return when != other.when ? when > other.when : order > other.order; }
  };
  void RunTimers();
  void RunPosted();
  void Wait();

  int epoll_;
  bool running_ = true;
  std::uint64_t timers_made_ = 0;
  std::vector<std::function<void()>> posted_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::function<void()> flush_;
};

}  // namespace parley::bench

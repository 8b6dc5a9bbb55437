#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libs/base/loop.h"

namespace parley::c2s {

// A few threads for what would stop the loop: PBKDF2 (0.8 ms for 4096 iterations). Bounded: full means try later.
class Workers {
 public:
  Workers(Loop& loop, std::size_t threads, std::size_t max_queued);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs `work` on a thread, then `done` on the loop with what it returned. False: the queue is full.
  bool Run(std::function<bool()> work, std::function<void(bool)> done);

 private:
  struct Job {
    std::function<bool()> work;
    std::function<void(bool)> done;
  };
  void Work();

  Loop& loop_;
  const std::size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace parley::c2s

#pragma once

#include <functional>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/task.h"

namespace parley {

// Coroutines that wait for the same thing. They belong to their Tasks: one that was cancelled is not resumed. What
// still waits when this ends never goes on. Loop's thread only.
class Waiters {
 public:
  explicit Waiters(Loop& loop) : loop_(loop) {}
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;

  // Until the next WakeAll.
  Task<void> Wait();
  // All that wait now go on, later, in the order that they came.
  void WakeAll();

 private:
  using Resume = std::function<void(bool)>;
  Loop& loop_;
  std::vector<Resume> waiting_;
};

}  // namespace parley

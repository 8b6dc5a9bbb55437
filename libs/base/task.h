#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "libs/base/loop.h"

namespace parley {

// A coroutine on the loop's thread. See CONTRIBUTING.md for the g++ 12 rule: no capturing lambda and no braces inside a
// statement with co_await.
template <class T>
using Task = boost::asio::awaitable<T>;

// Owns running coroutines: each is named; an exception that escapes one is logged and counted. The destructor cancels
// them.
class Tasks {
 public:
  explicit Tasks(Loop& loop);
  ~Tasks();
  void Spawn(std::string_view name, Task<void> task, std::function<void()> done = {});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for a callback: `start` gets a function to call once, on the loop's thread, with the value.
template <class T>
Task<T> Await(std::function<void(std::function<void(T)>)> start);

// Waits.
Task<void> SleepFor(Loop::Duration delay);

}  // namespace parley

#include "libs/base/task_inl.h"

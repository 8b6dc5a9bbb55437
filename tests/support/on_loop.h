#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <type_traits>

#include "libs/base/loop.h"

// For tests whose loop turns on another thread.
namespace parley::test {

// What `question` says on the loop's thread.
template <class Question>
auto OnLoop(Loop& loop, Question question) {
  std::promise<decltype(question())> answer;
  loop.Post([&] {
    if constexpr (std::is_void_v<decltype(question())>) {
      question();
      answer.set_value();
    } else {
      answer.set_value(question());
    }
  });
  return answer.get_future().get();
}

// Whether `condition` comes true there within ten seconds.
inline bool Eventually(Loop& loop, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    if (OnLoop(loop, condition)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace parley::test

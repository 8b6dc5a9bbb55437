#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "libs/base/loop.h"

namespace parley::test {

// Turns the loop until `condition` holds; fails the test when that takes too long.
inline void RunUntil(Loop& loop, const std::function<bool()>& condition,
                     std::chrono::milliseconds limit = std::chrono::seconds(15)) {
  bool held = false;
  const auto check = [&] {
    held = condition();
    if (held) loop.Stop();
  };
  const auto poll = loop.Every(std::chrono::milliseconds(1), check);
  const auto end = loop.After(limit, [&] { loop.Stop(); });
  loop.Post(check);
  loop.Run();
  EXPECT_TRUE(held) << "waited in vain";
}

// Turns it for so long.
inline void RunFor(Loop& loop, std::chrono::milliseconds time) {
  const auto end = loop.After(time, [&] { loop.Stop(); });
  loop.Run();
}

}  // namespace parley::test

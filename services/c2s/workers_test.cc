#include "services/c2s/workers.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/support/run_until.h"

namespace parley::c2s {
namespace {

TEST(WorkersTest, WhatDoesNotFitIntoTheQueueIsNotTaken) {
  Loop loop;
  Workers workers(loop, 1, 1);
  std::promise<void> begun;
  std::promise<void> go_on;
  int done = 0;
  const auto slow = [&] {
    begun.set_value();
    go_on.get_future().wait();
    return true;
  };
  const auto count = [&](bool worked) { done += worked; };
  ASSERT_TRUE(workers.Run(slow, count));
  begun.get_future().wait();
  EXPECT_TRUE(workers.Run([] { return true; }, count));
  EXPECT_FALSE(workers.Run([] { return true; }, count));
  go_on.set_value();
  test::RunUntil(loop, [&] { return done == 2; });
  EXPECT_TRUE(workers.Run([] { return true; }, count));
  test::RunUntil(loop, [&] { return done == 3; });
}

}  // namespace
}  // namespace parley::c2s

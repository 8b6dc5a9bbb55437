#include "libs/net/run.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace parley::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RunUntilSignalTest, DrainsAtTheFirstSignal) {
  Loop loop;
  bool drained = false;
  loop.Post([] { std::raise(SIGTERM); });
  const auto drain = [&](std::function<void()> done) {
    loop.Post([&, done] {
      drained = true;
      done();
      done();
    });
  };
  EXPECT_EQ(RunUntilSignal(loop, drain, seconds(60)), 0);
  EXPECT_TRUE(drained);
}

TEST(RunUntilSignalTest, WhatTheLastTurnQueuedStillHappens) {
  Loop loop;
  bool flushed = false;
  loop.Post([] { std::raise(SIGINT); });
  const auto drain = [&](std::function<void()> done) {
    loop.AtEndOfTurn([&] { flushed = true; });
    done();
  };
  EXPECT_EQ(RunUntilSignal(loop, drain, seconds(60)), 0);
  EXPECT_TRUE(flushed);
}

TEST(RunUntilSignalTest, DoneMayComeFromAnotherThread) {
  Loop loop;
  std::thread worker;
  loop.Post([] { std::raise(SIGTERM); });
  const auto drain = [&](std::function<void()> done) { worker = std::thread(done); };
  EXPECT_EQ(RunUntilSignal(loop, drain, seconds(60)), 0);
  worker.join();
}

TEST(RunUntilSignalTest, EndsAtTheLimit) {
  Loop loop;
  loop.Post([] { std::raise(SIGTERM); });
  EXPECT_EQ(RunUntilSignal(
                loop, [](std::function<void()>) {}, milliseconds(10)),
            0);
}

TEST(RunUntilSignalTest, ASecondSignalEndsAtOnce) {
  Loop loop;
  loop.Post([] { std::raise(SIGTERM); });
  EXPECT_EQ(RunUntilSignal(
                loop, [](std::function<void()>) { std::raise(SIGINT); }, seconds(60)),
            1);
}

TEST(RunUntilSignalTest, HangupCallsBackAndPipeIsIgnored) {
  Loop loop;
  int hangups = 0;
  loop.Post([] {
    std::raise(SIGPIPE);
    std::raise(SIGHUP);
  });
  const auto hangup = [&] {
    if (++hangups == 1) {
      std::raise(SIGHUP);
    } else {
      std::raise(SIGTERM);
    }
  };
  const auto drain = [](std::function<void()> done) { done(); };
  EXPECT_EQ(RunUntilSignal(loop, drain, seconds(60), hangup), 0);
  EXPECT_EQ(hangups, 2);
}

}  // namespace
}  // namespace parley::net

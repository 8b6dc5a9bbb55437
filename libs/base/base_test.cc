#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "libs/base/coarse_clock.h"
#include "libs/base/ids.h"
#include "libs/base/loop.h"
#include "libs/base/recycled.h"
#include "libs/base/task.h"
#include "libs/base/waiters.h"

namespace parley {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

TEST(CoarseClockTest, IsTheSteadyClockALittleBehind) {
  const auto before = std::chrono::steady_clock::now();
  const auto coarse = CoarseNow();
  EXPECT_LE(coarse, std::chrono::steady_clock::now());
  EXPECT_GT(coarse, before - 1s);
}

TEST(LoopTest, EndOfTurnRunsAfterWhatIsReady) {
  Loop loop;
  std::vector<int> order;
  loop.Post([&] {
    loop.AtEndOfTurn([&] { order.push_back(3); });
    order.push_back(1);
  });
  loop.Post([&] { order.push_back(2); });
  auto stop = loop.After(20ms, [&] { loop.Stop(); });
  loop.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(LoopTest, EndOfTurnRequestedBeforeRunIsNotForgotten) {
  Loop loop;
  loop.AtEndOfTurn([&] { loop.Stop(); });
  loop.Run();
}

TEST(LoopTest, EndOfTurnCallsObjectsThatLiveInTheirPlace) {
  struct Object {
    std::vector<int>& order;
    int number;
    void Call() { order.push_back(number); }
  };
  Loop loop;
  std::vector<int> order;
  const auto lives = std::make_shared<Object>(Object{order, 2});
  auto goes = std::make_shared<Object>(Object{order, 4});
  loop.Post([&] {
    loop.AtEndOfTurn([&] { order.push_back(1); });
    loop.AtEndOfTurn<&Object::Call>(lives);
    loop.AtEndOfTurn<&Object::Call>(goes);
    loop.AtEndOfTurn([&] {
      order.push_back(3);
      loop.Stop();
    });
    goes.reset();
  });
  loop.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(LoopTest, EndOfTurnOfAnObjectRequestedBeforeRunIsNotForgotten) {
  struct Object {
    Loop& loop;
    void Call() { loop.Stop(); }
  };
  Loop loop;
  const auto object = std::make_shared<Object>(Object{loop});
  loop.AtEndOfTurn<&Object::Call>(object);
  loop.Run();
}

#ifndef __SANITIZE_ADDRESS__
TEST(RecycledTest, GivesTheMemoryOfFormerOnesButKeepsLittle) {
  struct Thing final : Recycled<Thing, 2> {
    std::uint64_t value[4];
  };
  const auto address = [](const auto& thing) { return reinterpret_cast<std::uintptr_t>(thing.get()); };
  std::vector<std::unique_ptr<Thing>> things;
  for (int i = 0; i < 3; ++i) things.push_back(std::make_unique<Thing>());
  const std::uintptr_t first = address(things[0]);
  const std::uintptr_t second = address(things[1]);
  things.clear();  // from the first on; the third is too many
  for (int i = 0; i < 2; ++i) things.push_back(std::make_unique<Thing>());
  EXPECT_THAT((std::vector{address(things[0]), address(things[1])}), ElementsAre(second, first));
}
#endif

TEST(LoopTest, DestroyedTimerDoesNotFire) {
  Loop loop;
  bool fired = false;
  auto timer = loop.After(1ms, [&] { fired = true; });
  auto other = loop.After(1ms, [&] { timer = Loop::Timer(); });
  timer = loop.After(30ms, [&] { fired = true; });
  auto stop = loop.After(60ms, [&] { loop.Stop(); });
  loop.Run();
  EXPECT_FALSE(fired);
}

TEST(LoopTest, PeriodicTimerMayCancelItself) {
  Loop loop;
  int count = 0;
  Loop::Timer timer = loop.Every(1ms, [&] {
    if (++count == 3) {
      timer.Cancel();
      loop.Stop();
    }
  });
  loop.Run();
  EXPECT_EQ(count, 3);
}

Task<void> Add(int& sum, std::function<void(std::function<void(int)>)> start) { sum += co_await Await<int>(start); }

TEST(TasksTest, AwaitResumesWithValueGivenLaterOrAtOnce) {
  Loop loop;
  Tasks tasks(loop);
  int sum = 0;
  int running = 2;
  auto done = [&] {
    if (--running == 0) loop.Stop();
  };
  tasks.Spawn("at_once", Add(sum, [](auto resume) { resume(1); }), done);
  tasks.Spawn("later", Add(sum, [&](auto resume) { loop.Post([resume] { resume(2); }); }), done);
  loop.Run();
  EXPECT_EQ(sum, 3);
}

TEST(TasksTest, DestroyedTasksNeverResume) {
  Loop loop;
  std::function<void(int)> resume;
  int sum = 0;
  auto tasks = std::make_unique<Tasks>(loop);
  tasks->Spawn("waiting", Add(sum, [&](auto given) { resume = given; }));
  loop.Post([&] {
    loop.Post([&] {
      tasks.reset();
      resume(5);
      loop.Post([&] { loop.Stop(); });
    });
  });
  loop.Run();
  ASSERT_TRUE(resume);
  EXPECT_EQ(sum, 0);
}

Task<void> SleepAndCount(int& count) {
  co_await SleepFor(std::chrono::milliseconds(2));
  ++count;
}

TEST(TasksTest, DestroyedTasksThatHaveJustSleptNeverResume) {
  Loop loop;
  int count = 0;
  auto tasks = std::make_unique<Tasks>(loop);
  tasks->Spawn("sleeping", SleepAndCount(count));
  const auto end = loop.After(std::chrono::milliseconds(1), [&] {
    tasks.reset();
    loop.Post([&] { loop.Stop(); });
  });
  // A standstill: both times are over when it goes on.
  loop.Post([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  loop.Run();
  EXPECT_EQ(count, 0);
}

// It owns what will resume it: only its cancellation ends that, and this loop does not turn again.
Task<void> OwnItsResumption(std::weak_ptr<std::function<void(bool)>>& owned) {
  const auto resumption = std::make_shared<std::function<void(bool)>>();
  owned = resumption;
  std::function<void(std::function<void(bool)>)> start = [&resumption](auto resume) {
    *resumption = std::move(resume);
  };
  co_await Await<bool>(start);
}

TEST(TasksTest, TasksThatEndAfterTheirLoopHasStoppedLeaveNothing) {
  std::weak_ptr<std::function<void(bool)>> owned;
  {
    Loop loop;
    Tasks tasks(loop);
    tasks.Spawn("waiting", OwnItsResumption(owned));
    loop.Post([&] { loop.Stop(); });
    loop.Run();
    ASSERT_TRUE(*owned.lock());
  }
  EXPECT_TRUE(owned.expired());
}

Task<void> Throw() {
  throw std::runtime_error("expected by the test");
  co_return;
}

TEST(TasksTest, EscapedExceptionEndsOnlyThatTask) {
  Loop loop;
  Tasks tasks(loop);
  tasks.Spawn("throws", Throw(), [&] { loop.Stop(); });
  loop.Run();
}

Task<void> Note(Waiters& waiters, std::vector<int>& order, int number) {
  co_await waiters.Wait();
  order.push_back(number);
}

TEST(WaitersTest, AllThatWaitGoOnInOrder) {
  Loop loop;
  Waiters waiters(loop);
  std::vector<int> order;
  Tasks tasks(loop);
  for (const int number : {1, 2}) tasks.Spawn("waiting", Note(waiters, order, number));
  loop.Post([&] {
    waiters.WakeAll();
    tasks.Spawn("late", Note(waiters, order, 3), [&] { loop.Stop(); });
    loop.Post([&] {
      EXPECT_THAT(order, ElementsAre(1, 2));
      loop.Post([&] { waiters.WakeAll(); });
    });
  });
  loop.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(WaitersTest, WhoseTasksEndedIsNotResumed) {
  Loop loop;
  Waiters waiters(loop);
  std::vector<int> order;
  Tasks others(loop);
  auto tasks = std::make_unique<Tasks>(loop);
  tasks->Spawn("ended", Note(waiters, order, 1));
  others.Spawn("waiting", Note(waiters, order, 2), [&] { loop.Stop(); });
  loop.Post([&] {
    waiters.WakeAll();
    tasks.reset();
  });
  loop.Run();
  EXPECT_THAT(order, ElementsAre(2));
}

TEST(WaitersTest, WhoWaitsAtItsEndIsNotResumed) {
  Loop loop;
  auto waiters = std::make_unique<Waiters>(loop);
  std::vector<int> order;
  Tasks tasks(loop);
  tasks.Spawn("waiting", Note(*waiters, order, 1));
  loop.Post([&] {
    waiters.reset();
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  EXPECT_TRUE(order.empty());
}

TEST(RandomIdTest, IsUniqueAndUrlSafe) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto id = RandomId();
    EXPECT_EQ(id.size(), 15u);
    EXPECT_EQ(id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

// Placement depends on these across releases: a change here is a change of the cluster's protocol.
TEST(StableHashTest, NeverChanges) {
  EXPECT_EQ(StableHash(""), 0xf52a15e9a9b5e89bu);
  EXPECT_NE(StableHash("a@example.com"), StableHash("b@example.com"));
  EXPECT_NE(StableHash("a", 1), StableHash("a", 2));
}

}  // namespace
}  // namespace parley

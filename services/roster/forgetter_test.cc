#include "services/roster/forgetter.h"

#include <gmock/gmock.h>

#include <vector>

#include "tests/support/run_until.h"

namespace parley::roster {
namespace {

using std::chrono::milliseconds;

// A store with so many things to forget, of which it forgets two at a time.
struct Store {
  void Forget(milliseconds age, const Forgetter::Reply& reply) {
    ages.push_back(age);
    const std::uint32_t now = std::min(left, 2u);
    left -= now;
    if (broken) return reply(v1::PROBLEM_STORE);
    reply(now);
  }
  std::uint32_t left = 5;
  bool broken = false;
  std::vector<milliseconds> ages;
};

TEST(ForgetterTest, GoesOnUntilNothingIsLeftAndBeginsAgain) {
  Loop loop;
  Store store;
  Forgetter forgetter(
      loop, [&](milliseconds age, const Forgetter::Reply& reply) { store.Forget(age, reply); }, milliseconds(60'000),
      milliseconds(1));
  test::RunUntil(loop, [&] { return store.left == 0; });
  store.broken = true;
  const auto asked = store.ages.size();
  test::RunUntil(loop, [&] { return store.ages.size() > asked + 1; });
  EXPECT_THAT(store.ages, testing::Each(milliseconds(60'000)));
}

}  // namespace
}  // namespace parley::roster

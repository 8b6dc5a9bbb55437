#include "libs/session/seen_numbers.h"

#include <gtest/gtest.h>

namespace parley::session {
namespace {

TEST(SeenNumbersTest, KnowsExactlyWhatWasAdded) {
  SeenNumbers seen;
  EXPECT_FALSE(seen.Has(1));
  for (const std::uint64_t number : {3u, 4u, 9u, 6u}) seen.Add(number);
  for (const std::uint64_t number : {3u, 4u, 6u, 9u}) EXPECT_TRUE(seen.Has(number)) << number;
  for (const std::uint64_t number : {1u, 2u, 5u, 7u, 8u, 10u}) EXPECT_FALSE(seen.Has(number)) << number;
}

TEST(SeenNumbersTest, ForgetsWhatIsFarBelow) {
  SeenNumbers seen;
  seen.Add(10);
  seen.Add(74);
  EXPECT_TRUE(seen.Has(10));
  seen.Add(75);
  EXPECT_FALSE(seen.Has(10));
  EXPECT_TRUE(seen.Has(74));
  seen.Add(1000);
  EXPECT_FALSE(seen.Has(75));
  EXPECT_TRUE(seen.Has(1000));
  seen.Add(10);
  EXPECT_FALSE(seen.Has(10));
}

}  // namespace
}  // namespace parley::session

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "libs/rpc/ring.h"

namespace parley::rpc {
namespace {

TEST(RendezvousTest, OnlyTheKeysOfTheLostReplicaMove) {
  Rendezvous before;
  for (const char* instance : {"a", "b", "c", "d"}) before.Add(instance);
  Rendezvous after = before;
  after.Remove("b");
  std::map<std::string, int> share;
  for (int i = 0; i < 10000; ++i) {
    const std::string key = "user" + std::to_string(i) + "@home";
    const std::string was = *before.Choose(key);
    ++share[was];
    if (was != "b") {
      EXPECT_EQ(*after.Choose(key), was);
    } else {
      EXPECT_NE(*after.Choose(key), "b");
    }
  }
  for (const auto& [instance, keys] : share) EXPECT_NEAR(keys, 2500, 250) << instance;
}

TEST(RendezvousTest, DoesNotDependOnTheOrderOfJoining) {
  Rendezvous one, other;
  for (const char* instance : {"a", "b", "c"}) one.Add(instance);
  for (const char* instance : {"c", "a", "b"}) other.Add(instance);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(*one.Choose(std::to_string(i)), *other.Choose(std::to_string(i)));
}

TEST(RendezvousTest, EmptyChoosesNothing) { EXPECT_EQ(Rendezvous().Choose("key"), nullptr); }

}  // namespace
}  // namespace parley::rpc

#include "services/router/parked.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace parley::router {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ParkedTest : public ::testing::Test {
 protected:
  using Time = std::chrono::steady_clock::time_point;

  void Add(const std::string& session, const std::string& id, int at = 0) {
    rpc::Held held;
    held.envelope = std::make_unique<rpc::Envelope>();
    held.envelope->set_session(session);
    held.envelope->set_id(id);
    parked_.Add({std::move(held), Time(seconds(at))});
  }
  static std::vector<std::string> Ids(const Parked::Items& items) {
    std::vector<std::string> ids;
    for (const auto& item : items) ids.emplace_back(item.held.envelope->id());
    return ids;
  }
  std::vector<std::string> IdsOf(const std::string& session) {
    std::vector<std::string> ids;
    parked_.ForEachOf(session, [&ids](rpc::Held& held) { ids.emplace_back(held.envelope->id()); });
    return ids;
  }

  Parked parked_;
};

TEST_F(ParkedTest, OneSessionsAreTakenInOrder) {
  for (const std::string id : {"1", "2", "3"}) {
    Add("a", "a" + id);
    Add("b", "b" + id);
  }
  EXPECT_THAT(IdsOf("a"), ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(Ids(parked_.TakeOf("a")), ElementsAre("a1", "a2", "a3"));
  EXPECT_FALSE(parked_.HasFor("a"));
  EXPECT_TRUE(parked_.HasFor("b"));
  EXPECT_THAT(IdsOf("a"), IsEmpty());
  EXPECT_THAT(parked_.TakeOf("a"), IsEmpty());
  EXPECT_EQ(parked_.size(), 3u);
  Add("a", "a4");
  EXPECT_THAT(Ids(parked_.TakeAll()), ElementsAre("b1", "b2", "b3", "a4"));
  EXPECT_TRUE(parked_.empty());
  EXPECT_FALSE(parked_.HasFor("b"));
}

TEST_F(ParkedTest, TheOldestAreTaken) {
  Add("a", "1", 1);
  Add("b", "2", 2);
  Add("a", "3", 3);
  EXPECT_THAT(parked_.TakeBefore(Time(seconds(1))), IsEmpty());
  EXPECT_THAT(Ids(parked_.TakeBefore(Time(seconds(3)))), ElementsAre("1", "2"));
  EXPECT_FALSE(parked_.HasFor("b"));
  EXPECT_THAT(IdsOf("a"), ElementsAre("3"));
  EXPECT_THAT(Ids(parked_.TakeBefore(Time(seconds(9)))), ElementsAre("3"));
  EXPECT_TRUE(parked_.empty());
  EXPECT_FALSE(parked_.HasFor("a"));
}

}  // namespace
}  // namespace parley::router

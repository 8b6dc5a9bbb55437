// A session whose end its edge has said to another router, which stands still.
#include <gmock/gmock.h>

#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::OrphansTest;

constexpr char kRomeo[] = "romeo@home.example";

class OverUnheardTest : public OrphansTest {
 protected:
  // As another router that gave the session to the second edge.
  void ClaimElsewhere() {
    auto record = RecordOf();
    Redis({"RENAME", session::QueueKey(kRomeo, record.queue()), session::QueueKey(kRomeo, "claimed")});
    record.set_revision(record.revision() + 1);
    record.set_node(second().instance());
    record.set_node_epoch(second().epoch());
    record.set_queue("claimed");
    const std::string stamp = record.session() + " " + std::to_string(record.revision()) + "\n";
    Redis({"HSET", "parley:s:{romeo@home.example}", "orchard", stamp + record.SerializeAsString()});
  }
};

// What it left, then what came for it: else the next session gets what is new before.
TEST_F(OverUnheardTest, WhatWasForItIsStoredBeforeWhatIsNew) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1, kRomeo);
  ExpectIds(romeo, {"1"});
  first().EndUnheard(romeo);
  Chat(2, kRomeo);
  Settle();
  EXPECT_EQ(roster_->offline_count(kRomeo), 2);
  Client& next = Login(second(), "romeo@home.example/garden");
  next.Send("<presence/>");
  Chat(3, kRomeo);
  ExpectIds(next, {"1", "2", "3"});
}

TEST_F(OverUnheardTest, ContactsAreToldOnce) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  first().EndUnheard(romeo);
  Chat(1);
  Chat(2);
  RunUntil([&] { return !juliet().received().empty(); });
  romeo.Close();
  Settle();
  EXPECT_THAT(juliet().Take(), ElementsAre(HasSubstr("unavailable")));
  RunUntil([&] { return RedisIsClean(); });
}

TEST_F(OverUnheardTest, ItEndsThoughItWasTakenForOneThatMayBeResumed) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(2);
  first().Lose(romeo);
  first().TakeOneFrozen();
  first().EndUnheard(romeo);
  first().SetFrozen(false);
  Settle();
  EXPECT_EQ(Metric("parley_router_orphaned_sessions_total"), 1);
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

TEST_F(OverUnheardTest, WhoHasTheSessionSinceKeepsIt) {
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(1);
  first().EndUnheard(romeo);
  ClaimElsewhere();
  first().SetFrozen(false);
  RunUntil([&] { return QueueLength("claimed") == "2"; });
  EXPECT_EQ(RecordOf().session(), romeo.id());
}

}  // namespace
}  // namespace parley::router

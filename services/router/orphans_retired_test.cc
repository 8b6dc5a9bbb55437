// What comes back for a session that another router has ended or orphaned meanwhile.
#include "libs/base/unix_time.h"
#include "services/router/session_store.h"
#include "services/router/testing/orphans.h"

namespace parley::router {
namespace {

using testing::Client;
using testing::OrphansTest;

class OrphansRetiredTest : public OrphansTest {
 protected:
  // Another router, which dies right after that. Redis does it before what it is asked from now on.
  void BeginToEndElsewhere() {
    RunUntil([&] { return redis_of_other_.up(); });
    const auto record = RecordOf();
    redis_.Pause();
    tasks_.Spawn("retire", Retire(record));
  }
  // As another router that has taken care of all.
  void EndElsewhere(const Client& romeo) {
    Redis({"RENAME", session::QueueKey(kRomeo, romeo.queue()), std::string("parley:p:{") + kRomeo + "}:" + romeo.id()});
    WriteElsewhere([&] { Redis({"HDEL", kRomeoKey, "orchard"}); });
  }
  void OrphanElsewhere() {
    auto record = RecordOf();
    record.set_revision(record.revision() + 1);
    record.set_away_since(UnixMilliseconds());
    const std::string stamp = record.session() + " " + std::to_string(record.revision()) + "\n";
    WriteElsewhere([&] { Redis({"HSET", kRomeoKey, "orchard", stamp + record.SerializeAsString()}); });
  }
  // Its edge cannot be reached, but its lease goes on: these messages wait for it.
  Client& SessionWithParked(int messages) {
    Begin();
    Client& romeo = Managed(first(), kOrchard);
    first().Disconnect();
    RunUntil([&] { return !HasEdge("c2s-2"); });
    for (int i = 1; i <= messages; ++i) Chat(i);
    RunUntil([&] { return Metric("parley_router_parked") == messages; });
    first().Lose(romeo);
    return romeo;
  }
  double loads() const { return Metric("parley_router_account_loads_total"); }

 private:
  static constexpr char kRomeo[] = "romeo@home.example";
  static constexpr char kRomeoKey[] = "parley:s:{romeo@home.example}";

  // Until the router knows of it.
  void WriteElsewhere(const std::function<void()>& write) {
    const std::string invalidated = "parley_router_accounts_invalidated_total";
    const double before = Metric(invalidated);
    write();
    RunUntil([&] { return Metric(invalidated) > before; });
  }
  Task<void> Retire(Record record) {
    const auto expected = SessionStore::As(record);
    co_await other_.Retire(kRomeo, std::move(record), expected, Record());
  }

  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  storage::Redis redis_of_other_{loop_, redis_.options()};
  Tasks tasks_{loop_};
  SessionStore other_{tasks_, redis_of_other_, {}, metrics_};
};

// Its sender said it later than what the session left.
TEST_F(OrphansRetiredTest, WhatTheSessionLeftComesFirst) {
  Configure(1, {"c2s.lease_ttl=10m"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  Chat(1);
  Chat(2);
  ExpectIds(romeo, Numbers(1, 3));
  first().SetFrozen(true);
  Chat(3);
  RunUntil([&] { return first().frozen() == 1; });
  first().Lose(romeo);
  BeginToEndElsewhere();
  const double before = loads();
  first().SetFrozen(false);  // refused, and the router asks Redis
  RunUntil([&] { return loads() > before; });
  redis_.Resume();
  RunUntil([&] { return RedisIsClean(); });
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

TEST_F(OrphansRetiredTest, WhatWaitedForItsEdgeComesBeforeWhatIsNew) {
  Client& romeo = SessionWithParked(2);
  EndElsewhere(romeo);
  Chat(3);
  RunUntil([&] { return roster_->offline_count("romeo@home.example") > 0; });
  first().Reconnect();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 4));
}

TEST_F(OrphansRetiredTest, WhatWaitedForItsEdgeIsQueuedBeforeWhatIsNew) {
  Client& romeo = SessionWithParked(2);
  OrphanElsewhere();
  Chat(3);
  RunUntil([&] { return LengthNow() != "1"; });
  first().Reconnect();
  ExpectIds(Resumed(second(), romeo), Numbers(1, 4));
}

TEST_F(OrphansRetiredTest, WhatItsEdgeRefusesComesBeforeWhatIsNew) {
  Configure(1, {"router.handover_timeout=1m"});
  Begin();
  Client& romeo = Managed(first(), kOrchard);
  FreezeFirstWith(1);
  first().Lose(romeo);
  EndElsewhere(romeo);
  Chat(2);
  Chat(3, "benvolio@home.example");  // is stored later than what does not wait
  RunUntil([&] { return roster_->offline_count("benvolio@home.example") == 1; });
  EXPECT_EQ(roster_->offline_count("romeo@home.example"), 0u);
  first().SetFrozen(false);
  Settle();
  EXPECT_EQ(Ids(TakeOffline()), Numbers(1, 3));
}

}  // namespace
}  // namespace parley::router

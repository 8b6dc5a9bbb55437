// What comes back for a session that another router has begun to end meanwhile.
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
  double loads() const { return Metric("parley_router_account_loads_total"); }

 private:
  Task<void> Retire(Record record) {
    const auto expected = SessionStore::As(record);
    co_await other_.Retire("romeo@home.example", std::move(record), expected, Record());
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

}  // namespace
}  // namespace parley::router

// What is let in while a handler waits for long, and what waits for Redis.
#include "services/router/account_table.h"

#include <gmock/gmock.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "libs/telemetry/metrics.h"
#include "tests/support/redis_server.h"
#include "tests/support/run_until.h"

namespace parley::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kJuliet[] = "juliet@home.example";

class AccountTableTest : public ::testing::Test, private StanzaHandler {
 protected:
  void SetUp() override {
    table_.SetHandler(*this);
    RunUntil([this] { return store_.up(); });
  }
  static rpc::Held Stanza(rpc::Receipt receipt = rpc::Receipt()) {
    return {std::make_unique<rpc::Envelope>(), std::move(receipt)};
  }
  // A stanza whose handler waits until it is told to go on.
  void Occupy() {
    table_.Post(kJuliet, Stanza());
    RunUntil([this] { return go_on_ != nullptr; });
  }
  void GoOn() { std::exchange(go_on_, nullptr)(true); }
  void Post(
      const std::string& name, const std::function<void()>& act = [] {}) {
    AccountTable::Job job;
    job.may_overtake = [](Account&) { return true; };
    job.run = [this, name, act](Account&) { return Do(name, act); };
    table_.Post(kJuliet, std::move(job));
  }
  // False: something was thrown.
  bool LetIn() {
    bool over = false;
    bool well = false;
    tasks_.Spawn("let_in_test", Try(well), [&over] { over = true; });
    RunUntil([&over] { return over; });
    return well;
  }
  void RunUntil(const std::function<bool()>& condition) { test::RunUntil(loop_, condition); }

  Loop loop_;
  test::RedisServer redis_server_;
  Options options_;
  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  storage::Redis redis_{loop_, redis_server_.options()};
  std::vector<std::string> done_;

 private:
  Task<void> Do(std::string name, std::function<void()> act) {
    act();
    done_.push_back(std::move(name));
    co_return;
  }
  Task<void> Try(bool& well) {
    co_await table_.LetIn(kJuliet);
    well = true;
  }

  bool HandleNow(Account&, rpc::Held&) override { return false; }
  Task<void> Handle(Account&, rpc::Held) override {
    std::function<void(std::function<void(bool)>)> start = [this](std::function<void(bool)> done) {
      go_on_ = std::move(done);
    };
    co_await Await<bool>(std::move(start));
    done_.push_back("stanza");
  }
  Task<void> AfterLoad(Account&) override { co_return; }
  bool MayGetBack(const Account&) const override { return false; }
  void Unreachable(rpc::Held) override { done_.emplace_back("unreachable"); }

 protected:
  std::function<void(bool)> go_on_;
  SessionStore store_{tasks_, redis_, options_, metrics_};
  AccountTable table_{tasks_, store_, options_, metrics_, [](const std::string*) {}};
  Tasks tasks_{loop_};
};

TEST_F(AccountTableTest, WhatIsLetInAndFailsHarmsNothingElse) {
  Occupy();
  Post("harmful", [] { throw std::runtime_error("a bug"); });
  Post("first");
  EXPECT_TRUE(LetIn());
  EXPECT_TRUE(LetIn());
  Post("second");
  EXPECT_TRUE(LetIn());
  EXPECT_THAT(done_, ElementsAre("first", "second"));
  GoOn();
  RunUntil([this] { return !table_.busy(); });
  EXPECT_THAT(done_, ElementsAre("first", "second", "stanza"));
}

// As after a failure of Redis, or a change by another router.
TEST_F(AccountTableTest, WhatIsToBeReadAgainIsReadBeforeSomethingIsLetIn) {
  Occupy();
  const double loads = metrics_.account_loads.Value();
  table_.Invalidate(nullptr);
  Post("first");
  EXPECT_TRUE(LetIn());
  const std::string key = std::string("parley:s:{") + kJuliet + "}";
  table_.Invalidate(&key);
  Post("second");
  EXPECT_TRUE(LetIn());
  EXPECT_THAT(done_, ElementsAre("first", "second"));
  EXPECT_EQ(metrics_.account_loads.Value(), loads + 2);
  GoOn();
  RunUntil([this] { return !table_.busy(); });
}

TEST_F(AccountTableTest, NothingIsLetInWhereNobodyWaitsForLong) {
  Post("only");
  EXPECT_TRUE(LetIn());
  RunUntil([this] { return done_.size() == 1; });
  EXPECT_EQ(table_.waiting(), 0u);
}

// Its link may break: it does not wait for Redis any more then.
class Breaking final : public rpc::Receipt::Debt {
 public:
  struct Link {
    bool broken = false;
    bool noticed = false;
  };
  explicit Breaking(Link& link) : link_(link) {}
  bool severed() const override { return link_.noticed = link_.broken; }

 private:
  void Settle(rpc::RefusalReason) override {}
  Link& link_;
};

TEST_F(AccountTableTest, WhatComesBackIsNotGivenUpWithWhatWaitedBehindIt) {
  redis_server_.Stop();
  RunUntil([this] { return !store_.up(); });
  Breaking::Link link;
  table_.Post(kJuliet, Stanza(rpc::Receipt(std::make_unique<Breaking>(link))));
  RunUntil([this] { return metrics_.account_loads.Value() > 0; });
  table_.PostReturned(kJuliet, Stanza());
  link.broken = true;
  RunUntil([&link] { return link.noticed; });
  redis_server_.Start();
  RunUntil([this] { return go_on_ != nullptr; });
  GoOn();
  RunUntil([this] { return !done_.empty(); });
  EXPECT_THAT(done_, ElementsAre("stanza"));
  RunUntil([this] { return go_on_ != nullptr; });
  GoOn();
  RunUntil([this] { return !table_.busy(); });
}

}  // namespace
}  // namespace parley::router

// What becomes of a message if something is thrown while it is on its way to the store.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "libs/telemetry/metrics.h"
#include "services/router/offline_spool.h"
#include "services/router/testing/memory_roster.h"
#include "tests/support/run_until.h"

namespace parley::router {
namespace {

constexpr char kJuliet[] = "juliet@home.example";

rpc::Ring::Options RingTo(const std::string& service, const std::string& address) {
  rpc::Ring::Options options;
  options.discovery.targets = {address};
  options.service = service;
  return options;
}

storage::RedisOptions Nowhere() {
  storage::RedisOptions options;
  options.port = 1;
  return options;
}

// A spool, with a roster service without a database; nothing else is at work.
class OfflineSpoolFailureTest : public ::testing::Test, private Edges::Owner {
 protected:
  void OnUndelivered(rpc::Held, Failure) override {}

  rpc::Held Message(std::optional<rpc::RefusalReason>& settled) {
    rpc::Held held{std::make_unique<rpc::Envelope>(),
                   rpc::Receipt([&settled](rpc::RefusalReason reason) { settled = reason; })};
    held.envelope->set_kind(link::v1::KIND_MESSAGE);
    held.envelope->set_origin("romeo");
    held.envelope->set_origin_seq(1);
    held.envelope->set_stanza("<message/>");
    return held;
  }

  Loop loop_;
  Options options_;
  telemetry::Metrics registry_;
  Metrics metrics_{registry_};
  const rpc::Self self_{"router", "router-1", "epoch"};
  testing::MemoryRoster roster_{loop_, "127.0.0.1:0"};
  const std::string address_ = "127.0.0.1:" + std::to_string(roster_.port());
  RosterClient rosters_{loop_, self_, RingTo("roster", address_), options_, metrics_};
  storage::Redis redis_{loop_, Nowhere()};
  Nodes nodes_{loop_, redis_, Nodes::Options{{}, std::chrono::minutes(1), {}}, [](const Nodes::Node&) {}};
  Edges edges_{loop_, nodes_, options_, metrics_, *this};
  Peers peers_{loop_, self_, RingTo("router", "127.0.0.1:1"), Peers::Handlers()};
  Domains domains_{std::vector<config::Host>()};
  Sender sender_{edges_, peers_, domains_, metrics_};
  SessionStore store_{tasks_, redis_, options_, metrics_};
  AccountTable accounts_{tasks_, store_, options_, metrics_, [](const std::string*) {}};
  OfflineSpool spool_{loop_, tasks_, accounts_, sender_, rosters_, options_};
  Tasks tasks_{loop_};
};

TEST_F(OfflineSpoolFailureTest, NothingIsAcknowledgedThatWasNeitherStoredNorRefused) {
  test::RunUntil(loop_, [this] { return rosters_.available(); });
  roster_.AddAccount(kJuliet);
  roster_.DoubtNext(1);
  rosters_.OnDoubt([](const std::string&, const roster::v1::Ask&) -> Task<void> { throw std::runtime_error("a bug"); });
  std::optional<rpc::RefusalReason> settled;
  rpc::Held message = Message(settled);
  ASSERT_TRUE(spool_.Take(kJuliet, message));
  test::RunUntil(loop_, [&] { return settled.has_value(); });
  EXPECT_EQ(*settled, link::v1::REFUSAL_REASON_OVERLOADED);
  // And the next one has its place.
  test::RunUntil(loop_, [this] { return spool_.idle(); });
  EXPECT_EQ(metrics_.storing.Value(), 0);
  settled.reset();
  rpc::Held next = Message(settled);
  ASSERT_TRUE(spool_.Take(kJuliet, next));
  test::RunUntil(loop_, [&] { return settled.has_value(); });
  EXPECT_EQ(*settled, link::v1::REFUSAL_REASON_UNSPECIFIED);
}

}  // namespace
}  // namespace parley::router

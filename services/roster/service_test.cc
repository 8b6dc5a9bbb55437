#include "services/roster/service.h"

#include <gmock/gmock.h>

#include <set>
#include <string>
#include <vector>

#include "libs/rpc/accounts_client.h"
#include "tests/support/postgres_server.h"
#include "tests/support/run_until.h"

namespace parley::roster {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr char kJuliet[] = "juliet@home.example";

config::Config TestConfig(const storage::PostgresOptions& postgres) {
  config::Config config;
  config.cluster.instance = "roster-1";
  config.hosts.push_back({.domain = "home.example"});
  config.postgres.host = postgres.host;
  config.postgres.port = postgres.port;
  config.postgres.database = postgres.database;
  config.postgres.user = postgres.user;
  config.postgres.password = postgres.password;
  config.postgres.statement_timeout = milliseconds(500);
  config.roster.listen = "127.0.0.1:0";
  return config;
}

// A router's end of the link.
class Router final : public rpc::LinkHandler {
 public:
  Router(Loop& loop, int port)
      : client_(loop, {"router", "router-1", "epoch"}, "127.0.0.1:" + std::to_string(port), {}, *this) {}

  void OnUp(rpc::Link& link) override { link_ = &link; }
  void OnEnvelope(rpc::Link&, std::unique_ptr<rpc::Envelope>, rpc::Receipt) override {}
  void OnRefused(rpc::Link&, rpc::Held, rpc::RefusalReason reason) override { refusals.push_back(reason); }
  void OnRequest(rpc::Link&, const std::string&, Respond) override {}
  void OnDraining(rpc::Link&) override { draining = true; }
  void OnWritable(rpc::Link&) override {}
  void OnDown(rpc::Link&, std::vector<rpc::Held>) override { link_ = nullptr; }

  rpc::Link* link() { return link_; }
  bool draining = false;
  std::vector<rpc::RefusalReason> refusals;

 private:
  rpc::Link* link_ = nullptr;
  rpc::LinkClient client_;
};

class ServiceTest : public testing::Test {
 protected:
  explicit ServiceTest(test::PostgresServer& of = test::PostgresServer::Get(), const std::string& hosts = {})
      : server(of), database(WithHosts(of.NewDatabase(), hosts)) {
    test::RunUntil(loop, [&] { return service.Missing().empty() && router.link() != nullptr; });
    EXPECT_EQ(Create(kJuliet), rpc::AccountProblem::kNone);
  }
  ~ServiceTest() override { test::PostgresServer::Get(); }  // running again for the next test

  static storage::PostgresOptions WithHosts(storage::PostgresOptions options, const std::string& hosts) {
    if (!hosts.empty()) options.host = hosts;
    return options;
  }
  // Messages are stored while `harm` is done to the database and mended: whatever was answered as stored is there
  // afterwards, once; whatever was not may be asked again.
  void KeepsWhatItAcknowledged(const std::function<void()>& harm, const std::function<void()>& mend);

  rpc::AccountProblem Create(const std::string& jid) {
    std::optional<Result<rpc::AccountProblem>> result;
    accounts.Create(jid, "secret", [&](Result<rpc::AccountProblem> problem) { result = std::move(problem); });
    test::RunUntil(loop, [&] { return result.has_value(); });
    EXPECT_TRUE(*result) << result->error().message();
    return **result;
  }
  void AskRaw(const std::string& body, std::function<void(Result<std::string>)> done) {
    router.link()->Ask(body, milliseconds(5000), std::move(done));
  }
  v1::Answer Ask(const v1::Ask& ask) {
    std::optional<v1::Answer> answer;
    AskRaw(ask.SerializeAsString(), [&](Result<std::string> body) {
      ASSERT_TRUE(body) << body.error().message();
      answer.emplace();
      EXPECT_TRUE(answer->ParseFromString(*body));
    });
    test::RunUntil(loop, [&] { return answer.has_value(); });
    return *answer;
  }
  static v1::Ask StoreAsk(std::uint64_t seq) {
    v1::Ask ask;
    auto& store = *ask.mutable_store_offline();
    store.set_owner(kJuliet);
    store.set_stanza("<message><body>" + std::to_string(seq) + "</body></message>");
    store.set_origin("session");
    store.set_origin_seq(seq);
    return ask;
  }
  static v1::Ask RosterAsk(const std::string& owner = kJuliet) {
    v1::Ask ask;
    ask.mutable_get_roster()->set_owner(owner);
    return ask;
  }
  v1::OfflineMessages Offline() {
    v1::Ask ask;
    ask.mutable_fetch_offline()->set_owner(kJuliet);
    return Ask(ask).offline_messages();
  }

  test::PostgresServer& server;
  const storage::PostgresOptions database;
  Loop loop;
  telemetry::Metrics metrics;
  Service service{loop, TestConfig(database), metrics};
  Router router{loop, service.port()};
  rpc::AccountsClient accounts{
      loop, {.rosters = {.targets = {"127.0.0.1:" + std::to_string(service.port())}}, .timeout = milliseconds(10000)}};
};

TEST_F(ServiceTest, AnswersEveryAskInItsField) {
  EXPECT_TRUE(Ask(RosterAsk()).has_roster());
  v1::Ask set;
  set.mutable_set_item()->set_owner(kJuliet);
  set.mutable_set_item()->mutable_item()->set_jid("romeo@other.example");
  EXPECT_TRUE(Ask(set).has_item_change());
  v1::Ask apply;
  apply.mutable_apply_subscription()->set_owner(kJuliet);
  apply.mutable_apply_subscription()->set_contact("romeo@other.example");
  apply.mutable_apply_subscription()->set_direction(v1::ApplySubscription::DIRECTION_OUTBOUND);
  apply.mutable_apply_subscription()->set_verb(v1::ApplySubscription::VERB_SUBSCRIBE);
  EXPECT_TRUE(Ask(apply).subscription_change().forward());
  v1::Ask remove;
  remove.mutable_remove_item()->set_owner(kJuliet);
  remove.mutable_remove_item()->set_jid("romeo@other.example");
  EXPECT_TRUE(Ask(remove).item_change().removed());
  EXPECT_TRUE(Ask(StoreAsk(1)).has_stored());
  EXPECT_TRUE(Ask(StoreAsk(1)).stored().repeat());
  const auto offline = Offline();
  ASSERT_EQ(offline.messages_size(), 1);
  v1::Ask erase;
  erase.mutable_delete_offline()->set_owner(kJuliet);
  erase.mutable_delete_offline()->add_ids(offline.messages(0).id());
  EXPECT_EQ(Ask(erase).deleted().messages(), 1u);
  v1::Ask info;
  info.mutable_account_info()->set_owner(kJuliet);
  EXPECT_TRUE(Ask(info).account().exists());
  v1::Ask pending;
  pending.mutable_pending_subscriptions()->set_owner(kJuliet);
  EXPECT_TRUE(Ask(pending).has_pending());
}

TEST_F(ServiceTest, RefusalsAreAnswersAndNonsenseAFailure) {
  EXPECT_EQ(Ask(RosterAsk("nobody@home.example")).problem(), v1::PROBLEM_NO_ACCOUNT);
  EXPECT_EQ(Ask(RosterAsk("")).problem(), v1::PROBLEM_INVALID);
  EXPECT_EQ(Ask(RosterAsk(std::string("a\0b@home.example", 16))).problem(), v1::PROBLEM_INVALID);
  EXPECT_EQ(Ask(v1::Ask()).problem(), v1::PROBLEM_INVALID);
  bool failed = false;
  AskRaw("\xff\xff", [&](Result<std::string> body) { failed = !body; });
  test::RunUntil(loop, [&] { return failed; });
  const auto text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("parley_roster_asks_total{ask=\"get_roster\",outcome=\"no_account\"} 1"));
  EXPECT_THAT(text, HasSubstr("parley_roster_asks_seconds_count{ask=\"get_roster\"}"));
}

TEST_F(ServiceTest, StanzasAreGivenBack) {
  router.link()->Send(std::make_unique<rpc::Envelope>(), {});
  test::RunUntil(loop, [&] { return !router.refusals.empty(); });
}

TEST_F(ServiceTest, ManyMessagesAtOnceAreStoredInOrder) {
  constexpr int kMessages = 90;
  int stored = 0;
  for (int i = 1; i <= kMessages; ++i) {
    AskRaw(StoreAsk(i).SerializeAsString(), [&](Result<std::string> body) {
      v1::Answer answer;
      stored += body && answer.ParseFromString(*body) && answer.has_stored();
    });
  }
  test::RunUntil(loop, [&] { return stored == kMessages; });
  const auto offline = Offline();
  ASSERT_EQ(offline.messages_size(), kMessages);
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(offline.messages(i).origin_seq(), static_cast<std::uint64_t>(i + 1));
}

void ServiceTest::KeepsWhatItAcknowledged(const std::function<void()>& harm, const std::function<void()>& mend) {
  std::set<std::uint64_t> stored;
  std::uint64_t next = 0;
  int under_way = 0;
  const auto send = [&](std::uint64_t seq) {
    ++under_way;
    AskRaw(StoreAsk(seq).SerializeAsString(), [&, seq](Result<std::string> body) {
      --under_way;
      v1::Answer answer;
      if (body && answer.ParseFromString(*body) && answer.has_stored()) stored.insert(seq);
    });
  };
  const auto feed = loop.Every(milliseconds(5), [&] {
    if (next < 90) send(++next);
  });
  test::RunUntil(loop, [&] { return stored.size() >= 10; });
  harm();
  test::RunUntil(loop, [&] { return !service.Missing().empty(); });
  mend();
  test::RunUntil(loop, [&] { return service.Missing().empty() && next == 90 && under_way == 0; });
  for (std::uint64_t seq = 1; seq <= next; ++seq) {
    const bool kept = stored.contains(seq) || Ask(StoreAsk(seq)).has_stored();
    EXPECT_TRUE(kept) << seq;
  }
  std::multiset<std::uint64_t> kept;
  const auto offline = Offline();
  for (const auto& message : offline.messages()) kept.insert(message.origin_seq());
  EXPECT_EQ(kept.size(), 90u);
  EXPECT_EQ(std::set<std::uint64_t>(kept.begin(), kept.end()).size(), 90u);
  EXPECT_TRUE(Ask(RosterAsk()).has_roster());
}

TEST_F(ServiceTest, NothingAcknowledgedIsLostWhenPostgresRestarts) {
  const auto mend = [this] {
    EXPECT_EQ(Ask(RosterAsk()).problem(), v1::PROBLEM_STORE);
    server.Start();
  };
  KeepsWhatItAcknowledged([this] { server.Stop(); }, mend);
}

TEST_F(ServiceTest, NothingAcknowledgedIsLostWhenPostgresTakesNoWrites) {
  const auto read_only = [this](const std::string& value) { server.Set("default_transaction_read_only", value); };
  KeepsWhatItAcknowledged([&] { read_only("on"); }, [&] { read_only(""); });
}

struct PrimaryAndStandby {
  // Only the primary's commits wait for the other: what is answered as stored, both have.
  PrimaryAndStandby() { primary.Set("synchronous_standby_names", "*"); }
  test::PostgresServer primary;
  test::PostgresServer standby{primary};
};

class FailoverServiceTest : protected PrimaryAndStandby, public ServiceTest {
 protected:
  FailoverServiceTest() : ServiceTest(primary, primary.host() + "," + standby.host()) {}
};

TEST_F(FailoverServiceTest, NothingAcknowledgedIsLostWhenPostgresFailsOver) {
  KeepsWhatItAcknowledged([this] { primary.Kill(); }, [this] { standby.Promote(); });
}

TEST_F(ServiceTest, StoppedPostgresIsAnsweredInTimeAndRecoveredFrom) {
  server.Pause();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Ask(RosterAsk()).problem(), v1::PROBLEM_STORE);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(3000));
  EXPECT_EQ(Create("ada@home.example"), rpc::AccountProblem::kStore);
  server.Resume();
  test::RunUntil(loop, [&] { return service.Missing().empty(); });
  EXPECT_TRUE(Ask(RosterAsk()).has_roster());
  const auto created = Create("ada@home.example");
  EXPECT_TRUE(created == rpc::AccountProblem::kNone || created == rpc::AccountProblem::kExists);
}

TEST_F(ServiceTest, IsReadyWhenItGivesCredentials) {
  pqxx::connection other("host=" + database.host + " dbname=" + database.database + " user=" + database.user);
  pqxx::work holding(other);
  holding.exec("LOCK TABLE scram_keys IN ACCESS EXCLUSIVE MODE");
  telemetry::Metrics its_metrics;
  Service another(loop, TestConfig(database), its_metrics);
  test::RunUntil(
      loop, [&] { return !server.Execute(database.database, "SELECT 1 FROM pg_locks WHERE NOT granted").empty(); });
  EXPECT_THAT(another.Missing(), HasSubstr("iteration counts"));
  holding.abort();
  test::RunUntil(loop, [&] { return another.Missing().empty(); });
}

TEST_F(ServiceTest, DrainTellsRoutersAndAnswersWhatWasAsked) {
  int answers = 0;
  for (int i = 1; i <= 20; ++i) {
    AskRaw(StoreAsk(i).SerializeAsString(), [&](Result<std::string> body) { answers += static_cast<bool>(body); });
  }
  bool drained = false;
  service.Drain([&] { drained = true; });
  test::RunUntil(loop, [&] { return drained; });
  EXPECT_TRUE(router.draining);
  EXPECT_EQ(answers, 20);
}

}  // namespace
}  // namespace parley::roster

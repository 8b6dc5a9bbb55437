#include <gtest/gtest.h>

#include "libs/rpc/accounts_client.h"
#include "libs/rpc/server.h"
#include "libs/rpc/testing.h"
#include "libs/rpc/unary_client.h"
#include "libs/telemetry/metrics.h"
#include "parley/accounts/v1/accounts.pb.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using testing::RunUntil;
namespace pb = accounts::v1;

// Answers on the loop, or keeps the question.
class Accounts {
 public:
  explicit Accounts(Loop& loop) : loop_(loop) {}
  Methods methods() {
    Methods methods;
    methods.Unary<pb::GetCredentialRequest, pb::GetCredentialResponse>(
        "/parley.accounts.v1.Accounts/GetCredential",
        [this](const auto& asked, Respond<pb::GetCredentialResponse> respond) {
          EXPECT_TRUE(loop_.on_thread());
          jids.push_back(asked.jid());
          if (keep) return kept.push_back(std::move(respond));
          respond(Answer());
        });
    methods.Unary<pb::CreateRequest, pb::CreateResponse>("/parley.accounts.v1.Accounts/Create",
                                                         [this](const auto&, Respond<pb::CreateResponse> respond) {
                                                           if (keep)
                                                             return kept_creations.push_back(std::move(respond));
                                                           pb::CreateResponse answer;
                                                           answer.set_problem(pb::PROBLEM_EXISTS);
                                                           respond(answer);
                                                         });
    return methods;
  }
  static pb::GetCredentialResponse Answer() {
    pb::GetCredentialResponse answer;
    auto& keys = *answer.add_keys();
    keys.set_hash("SHA-1");
    keys.set_salt("salt");
    keys.set_iterations(4096);
    return answer;
  }

  std::vector<std::string> jids;
  bool keep = false;
  std::vector<Respond<pb::GetCredentialResponse>> kept;
  std::vector<Respond<pb::CreateResponse>> kept_creations;

 private:
  Loop& loop_;
};

class UnaryTest : public ::testing::Test {
 protected:
  std::unique_ptr<Server> Start(Accounts& accounts, int port = 0) {
    return std::make_unique<Server>(loop_, Self{"roster", "roster-1", "e"}, "127.0.0.1:" + std::to_string(port),
                                    LinkOptions(), accounts.methods(), nullptr);
  }
  static std::string Address(const Server& server) { return "127.0.0.1:" + std::to_string(server.port()); }
  std::unique_ptr<AccountsClient> Client(std::vector<std::string> targets, std::chrono::milliseconds timeout = 5s,
                                         std::chrono::milliseconds patience = 500ms) {
    AccountsClient::Options options;
    options.rosters.targets = std::move(targets);
    options.timeout = timeout;
    options.link.patience = patience;
    options.link.metrics = &metrics_;
    return std::make_unique<AccountsClient>(loop_, options);
  }
  double Kept() {
    return metrics_
        .Counter("parley_calls_kept_total", "Calls not answered within link.patience", {{"service", "roster"}})
        .Value();
  }
  Result<AccountsClient::Credential> Ask(AccountsClient& client, const std::string& jid) {
    std::optional<Result<AccountsClient::Credential>> answer;
    client.GetCredential(jid, [&](Result<AccountsClient::Credential> got) { answer = std::move(got); });
    RunUntil(loop_, [&] { return answer.has_value(); });
    return *std::move(answer);
  }

  Loop loop_;
  telemetry::Metrics metrics_;
};

TEST_F(UnaryTest, AnswersFromTheLoop) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  auto client = Client({Address(*server)});
  const auto answer = Ask(*client, "romeo@home");
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->keys.size(), 1u);
  EXPECT_EQ(answer->keys[0].hash, "SHA-1");
  EXPECT_EQ(answer->keys[0].iterations, 4096u);
  EXPECT_EQ(accounts.jids, std::vector<std::string>{"romeo@home"});
}

TEST_F(UnaryTest, ExpectedRefusalIsNoError) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  auto client = Client({Address(*server)});
  std::optional<AccountProblem> problem;
  client->Create("romeo@home", "secret", [&](Result<AccountProblem> answer) { problem = *answer; });
  RunUntil(loop_, [&] { return problem.has_value(); });
  EXPECT_EQ(*problem, AccountProblem::kExists);
}

TEST_F(UnaryTest, MethodThatIsNotThereIsAnError) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  auto client = Client({Address(*server)});
  bool failed = false;
  client->Delete("romeo@home", [&](Result<AccountProblem> answer) { failed = !answer; });
  RunUntil(loop_, [&] { return failed; });
}

TEST_F(UnaryTest, DeadReplicaIsPassedOver) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  auto dead = Start(accounts);
  auto client = Client({Address(*dead), Address(*server)});
  dead.reset();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Ask(*client, "romeo@home"));
}

TEST_F(UnaryTest, HangingReplicaLeavesTimeForAnother) {
  Accounts hanging(loop_), well(loop_);
  hanging.keep = true;
  auto first = Start(hanging);
  auto second = Start(well);
  auto client = Client({Address(*first), Address(*second)}, 1s);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Ask(*client, "romeo@home"));
  EXPECT_EQ(well.jids.size(), 2u);
}

// As one that is frozen, or cut off from its store: logins should not notice.
TEST_F(UnaryTest, WhatAReplicaKeepsAnotherIsAsked) {
  Accounts hanging(loop_), well(loop_);
  hanging.keep = true;
  auto first = Start(hanging);
  auto second = Start(well);
  auto client = Client({Address(*first), Address(*second)}, 1h, 2s);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Ask(*client, "romeo@home"));
  EXPECT_EQ(well.jids.size(), 4u);
  EXPECT_EQ(hanging.jids.size(), 1u) << "it is passed over for a while";
  EXPECT_EQ(Kept(), 1);
}

TEST_F(UnaryTest, LateAnswerIsNotASecondOne) {
  Accounts hanging(loop_), well(loop_);
  hanging.keep = true;
  auto first = Start(hanging);
  auto second = Start(well);
  auto client = Client({Address(*first), Address(*second)}, 1h, 10ms);
  int answers = 0;
  for (int i = 0; i < 2; ++i) client->GetCredential("romeo@home", [&](const auto&) { ++answers; });
  RunUntil(loop_, [&] { return answers == 2 && !hanging.kept.empty(); });
  for (const auto& respond : std::exchange(hanging.kept, {})) respond(Accounts::Answer());
  testing::RunFor(loop_, 50ms);
  EXPECT_EQ(answers, 2);
}

TEST_F(UnaryTest, WhereAllAreSlowOneMoreIsAskedAndNotEach) {
  Accounts accounts(loop_);
  accounts.keep = true;
  const std::unique_ptr<Server> servers[] = {Start(accounts), Start(accounts), Start(accounts)};
  auto client = Client({Address(*servers[0]), Address(*servers[1]), Address(*servers[2])}, 1h, 10ms);
  client->GetCredential("romeo@home", [](const auto&) { FAIL(); });
  RunUntil(loop_, [&] { return accounts.jids.size() == 2 && Kept() == 2; });
  testing::RunFor(loop_, 50ms);
  EXPECT_EQ(accounts.jids.size(), 2u);
}

TEST_F(UnaryTest, WhatMayNotBeDoneTwiceWaitsForItsReplica) {
  Accounts accounts(loop_);
  accounts.keep = true;
  auto first = Start(accounts);
  auto second = Start(accounts);
  auto client = Client({Address(*first), Address(*second)}, 1h, 10ms);
  std::optional<AccountProblem> problem;
  client->Create("romeo@home", "secret", [&](Result<AccountProblem> answer) { problem = *answer; });
  RunUntil(loop_, [&] { return Kept() == 1 && !accounts.kept_creations.empty(); });
  testing::RunFor(loop_, 50ms);
  ASSERT_EQ(accounts.kept_creations.size(), 1u);
  accounts.kept_creations[0](pb::CreateResponse());
  RunUntil(loop_, [&] { return problem.has_value(); });
}

TEST_F(UnaryTest, WaitsForAReplicaWithinItsTime) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  const int port = server->port();
  server.reset();
  auto client = Client({"127.0.0.1:" + std::to_string(port)});
  const auto later = loop_.After(50ms, [&] { server = Start(accounts, port); });
  EXPECT_TRUE(Ask(*client, "romeo@home"));
}

TEST_F(UnaryTest, NobodyThereIsAnErrorInTime) {
  Accounts accounts(loop_);
  auto server = Start(accounts);
  auto client = Client({Address(*server)}, 300ms);
  server.reset();
  EXPECT_FALSE(Ask(*client, "romeo@home"));
}

TEST_F(UnaryTest, WhatAPeerSaysDoesNotMakeACallAgain) {
  int asked = 0;
  Methods methods;
  methods.Listing<pb::CreateRequest, pb::CreateResponse>("/parley.accounts.v1.Accounts/Create",
                                                         [&](const auto&, auto writer) {
                                                           ++asked;
                                                           writer.Fail("failed to connect: to its store");
                                                         });
  Server server(loop_, Self{"roster", "roster-1", "e"}, "127.0.0.1:0", LinkOptions(), std::move(methods), nullptr);
  auto client = Client({Address(server)}, 300ms);
  bool failed = false;
  client->Create("romeo@home", "secret", [&](Result<AccountProblem> answer) { failed = !answer; });
  RunUntil(loop_, [&] { return failed; });
  EXPECT_EQ(asked, 1);
}

TEST_F(UnaryTest, ServerGoesWhileCallsAreOpen) {
  Accounts accounts(loop_);
  accounts.keep = true;
  auto server = Start(accounts);
  auto client = Client({Address(*server)}, 1s);
  bool failed = false;
  client->GetCredential("romeo@home", [&](Result<AccountsClient::Credential> answer) { failed = !answer; });
  RunUntil(loop_, [&] { return accounts.kept.size() == 1; });
  server.reset();
  accounts.kept[0](Accounts::Answer());
  accounts.kept.clear();
  RunUntil(loop_, [&] { return failed; });
}

TEST_F(UnaryTest, ClientGoesWhileCallsAreOpen) {
  Accounts accounts(loop_);
  accounts.keep = true;
  auto server = Start(accounts);
  auto client = Client({Address(*server)});
  client->GetCredential("romeo@home", [&](Result<AccountsClient::Credential>) { FAIL(); });
  RunUntil(loop_, [&] { return accounts.kept.size() == 1; });
  client.reset();
  accounts.kept[0](Accounts::Answer());
  testing::RunFor(loop_, 20ms);
}

}  // namespace
}  // namespace parley::rpc

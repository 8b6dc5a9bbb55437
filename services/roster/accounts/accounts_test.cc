#include "services/roster/accounts/accounts.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "services/roster/accounts/pg_account_store.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kAda[] = "ada@home.example";

xmpp::scram::Keys Parsed(const pb::ScramKeys& keys) {
  return {.hash = keys.hash() == "SHA-1" ? xmpp::scram::Hash::kSha1 : xmpp::scram::Hash::kSha256,
          .salt = keys.salt(),
          .iterations = keys.iterations(),
          .stored_key = keys.stored_key(),
          .server_key = keys.server_key()};
}

class AccountsTest : public testing::Test {
 protected:
  AccountsTest() { accounts.SetSecret(db.secret); }

  template <class Response, class Request>
  Response Do(void (Accounts::*call)(const Request&, Accounts::Reply<Response>), const Request& request) {
    return db.Wait<Response>([&](auto reply) { (accounts.*call)(request, reply); });
  }
  template <class Request>
  static Request For(const std::string& jid) {
    Request request;
    request.set_jid(jid);
    return request;
  }
  pb::Problem Create(const std::string& jid, const std::string& password = "secret") {
    auto request = For<pb::CreateRequest>(jid);
    request.set_password(password);
    return Do(&Accounts::Create, request).problem();
  }
  pb::Problem SetPassword(const std::string& jid, const std::string& password) {
    auto request = For<pb::SetPasswordRequest>(jid);
    request.set_password(password);
    return Do(&Accounts::SetPassword, request).problem();
  }
  pb::GetCredentialResponse Credential(const std::string& jid) {
    return Do(&Accounts::GetCredential, For<pb::GetCredentialRequest>(jid));
  }
  bool Fits(const std::string& jid, const std::string& password) {
    const auto credential = Credential(jid);
    EXPECT_EQ(credential.keys_size(), 2);
    int fitting = 0;
    for (const auto& keys : credential.keys()) fitting += xmpp::scram::Verify(Parsed(keys), password);
    EXPECT_TRUE(fitting == 0 || fitting == 2);
    return fitting == 2;
  }
  pb::ListResponse List(const std::string& domain, const std::string& after = "", std::uint32_t limit = 0) {
    pb::ListRequest request;
    request.set_domain(domain);
    request.set_after(after);
    request.set_limit(limit);
    return Do(&Accounts::List, request);
  }
  static std::vector<std::string> Jids(const pb::ListResponse& page) {
    std::vector<std::string> jids;
    for (const auto& row : page.accounts()) jids.push_back(row.jid());
    return jids;
  }

  TestDatabase db;
  PgAccountStore store{db.database};
  KeyPool keys{db.loop, {.iterations = 4096, .threads = 2}, db.metrics};
  Accounts accounts{store, keys, {.domains = {"home.example", "other.example"}, .max_import = 5, .max_page = 3}};
};

TEST_F(AccountsTest, CreatedAccountHasKeysOfBothHashesThatFitItsPassword) {
  EXPECT_EQ(Create(kAda), pb::PROBLEM_UNSPECIFIED);
  EXPECT_TRUE(Fits(kAda, "secret"));
  EXPECT_FALSE(Fits(kAda, "Secret"));
  const auto credential = Credential(kAda);
  EXPECT_EQ(credential.keys(0).hash(), "SHA-1");
  EXPECT_EQ(credential.keys(1).hash(), "SHA-256");
  EXPECT_NE(credential.keys(0).salt(), credential.keys(1).salt());
  EXPECT_EQ(Create(kAda, "other"), pb::PROBLEM_EXISTS);
  EXPECT_TRUE(Fits(kAda, "secret")) << "the existing password stays";
}

TEST_F(AccountsTest, PasswordIsNowhereInTheDatabase) {
  ASSERT_EQ(Create(kAda, "correct-horse"), pb::PROBLEM_UNSPECIFIED);
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM scram_keys WHERE "
                        "position('correct'::bytea IN salt || stored_key || server_key) > 0"),
            "0");
}

TEST_F(AccountsTest, SetPasswordReplacesTheKeys) {
  ASSERT_EQ(Create(kAda), pb::PROBLEM_UNSPECIFIED);
  EXPECT_EQ(SetPassword(kAda, "new"), pb::PROBLEM_UNSPECIFIED);
  EXPECT_TRUE(Fits(kAda, "new"));
  EXPECT_FALSE(Fits(kAda, "secret"));
  EXPECT_EQ(SetPassword("nobody@home.example", "new"), pb::PROBLEM_NO_ACCOUNT);
  EXPECT_EQ(SetPassword(kAda, ""), pb::PROBLEM_INVALID);
}

TEST_F(AccountsTest, AddressesAndPasswordsAreChecked) {
  for (const char* jid : {"", "home.example", "@home.example", "ada@", "a b@home.example", "ada@home.example/x"}) {
    EXPECT_EQ(Create(jid), pb::PROBLEM_INVALID) << jid;
    EXPECT_EQ(Credential(jid).problem(), pb::PROBLEM_INVALID) << jid;
  }
  EXPECT_EQ(Create("ada@unserved.example"), pb::PROBLEM_NO_HOST);
  EXPECT_EQ(Credential("ada@unserved.example").problem(), pb::PROBLEM_NO_HOST);
  EXPECT_EQ(Create(kAda, ""), pb::PROBLEM_INVALID);
  EXPECT_EQ(Create(kAda, "bell\a"), pb::PROBLEM_INVALID);
  EXPECT_EQ(Create(kAda, std::string(1025, 'x')), pb::PROBLEM_INVALID);
}

TEST_F(AccountsTest, AddressIsPreparedBeforeUse) {
  ASSERT_EQ(Create("ADA@Home.Example"), pb::PROBLEM_UNSPECIFIED);
  EXPECT_EQ(Create(kAda), pb::PROBLEM_EXISTS);
  EXPECT_THAT(Jids(List("")), ElementsAre(kAda));
  EXPECT_TRUE(Do(&Accounts::Exists, For<pb::ExistsRequest>("aDa@home.example")).exists());
}

TEST_F(AccountsTest, UnknownUserGetsABelievableStableCredential) {
  ASSERT_EQ(Create(kAda), pb::PROBLEM_UNSPECIFIED);
  const auto real = Credential(kAda);
  const auto fake = Credential("nobody@home.example");
  EXPECT_EQ(fake.problem(), pb::PROBLEM_UNSPECIFIED);
  ASSERT_EQ(fake.keys_size(), real.keys_size());
  for (int i = 0; i < real.keys_size(); ++i) {
    EXPECT_EQ(fake.keys(i).hash(), real.keys(i).hash());
    EXPECT_EQ(fake.keys(i).iterations(), real.keys(i).iterations());
    EXPECT_EQ(fake.keys(i).salt().size(), real.keys(i).salt().size());
    EXPECT_EQ(fake.keys(i).stored_key().size(), real.keys(i).stored_key().size());
    EXPECT_EQ(fake.keys(i).server_key().size(), real.keys(i).server_key().size());
  }
  EXPECT_EQ(Credential("nobody@home.example").SerializeAsString(), fake.SerializeAsString());
  EXPECT_NE(Credential("another@home.example").keys(0).salt(), fake.keys(0).salt());
  Accounts other_instance(store, keys, {.domains = {"home.example"}});
  other_instance.SetSecret(db.secret);
  const auto elsewhere = db.Wait<pb::GetCredentialResponse>(
      [&](auto reply) { other_instance.GetCredential(For<pb::GetCredentialRequest>("nobody@home.example"), reply); });
  EXPECT_EQ(elsewhere.SerializeAsString(), fake.SerializeAsString());
}

class IterationsTest : public AccountsTest {
 protected:
  IterationsTest() {
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(Create("user" + std::to_string(i) + "@home.example"), pb::PROBLEM_UNSPECIFIED);
    EXPECT_EQ(Create("ada@other.example"), pb::PROBLEM_UNSPECIFIED);
  }
  // As if the password of so many had been set before the setting was raised from `iterations`.
  void Age(int aged, int iterations) {
    db.Sql("UPDATE scram_keys SET iterations = 4096");
    db.Sql("UPDATE scram_keys SET iterations = " + std::to_string(iterations) +
           " WHERE account_id IN (SELECT id FROM accounts WHERE localpart LIKE 'user%' ORDER BY id LIMIT " +
           std::to_string(aged) + ")");
    auto survey = db.Wait<Result<IterationSurvey, AccountProblem>>([&](auto reply) { store.Survey(2000, reply); });
    ASSERT_TRUE(survey);
    accounts.SetSurvey(std::move(*survey));
  }
  std::vector<pb::ScramKeys> Unknown(const std::string& domain) {
    std::vector<pb::ScramKeys> keys;
    for (int i = 0; i < 200; ++i) keys.push_back(Credential("nobody" + std::to_string(i) + "@" + domain).keys(1));
    return keys;
  }
  static auto HowMany(const std::vector<pb::ScramKeys>& keys, std::uint32_t iterations) {
    return std::count_if(keys.begin(), keys.end(), [&](const auto& key) { return key.iterations() == iterations; });
  }
};

TEST_F(IterationsTest, UnknownUsersHaveThoseOfTheHostsAccountsInProportion) {
  Age(2, 2000);
  const auto half = Unknown("home.example");
  EXPECT_NEAR(static_cast<double>(HowMany(half, 2000)), 100, 40);
  EXPECT_EQ(HowMany(half, 2000) + HowMany(half, 4096), 200);
  EXPECT_EQ(HowMany(Unknown("other.example"), 4096), 200) << "a tenant does not show in another";
}

TEST_F(IterationsTest, UnknownUsersFollowInOneDirectionAndChangeTheirSaltThen) {
  Age(4, 2000);
  const auto before = Unknown("home.example");
  EXPECT_GT(HowMany(before, 4096), 0) << "the first account with the new setting must not stand out";
  Age(1, 2000);
  const auto after = Unknown("home.example");
  EXPECT_GT(HowMany(after, 2000), 0);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_LE(before[i].iterations(), after[i].iterations());
    EXPECT_EQ(before[i].salt() == after[i].salt(), before[i].iterations() == after[i].iterations());
  }
}

TEST_F(IterationsTest, BothHashesOfAnUnknownUserAgree) {
  Age(2, 2000);
  for (int i = 0; i < 50; ++i) {
    const auto credential = Credential("nobody" + std::to_string(i) + "@home.example");
    EXPECT_EQ(credential.keys(0).iterations(), credential.keys(1).iterations());
  }
}

TEST_F(AccountsTest, CredentialsWaitForTheSecret) {
  Accounts early(store, keys, {.domains = {"home.example"}});
  const auto response = db.Wait<pb::GetCredentialResponse>(
      [&](auto reply) { early.GetCredential(For<pb::GetCredentialRequest>(kAda), reply); });
  EXPECT_EQ(response.problem(), pb::PROBLEM_STORE);
}

TEST_F(AccountsTest, DeleteTakesEverythingWithIt) {
  ASSERT_EQ(Create(kAda), pb::PROBLEM_UNSPECIFIED);
  db.Sql(
      "INSERT INTO roster_items SELECT id, 'x@y.example', '', '{}', 0, false, false, false, true, NULL, 1 "
      "FROM accounts");
  db.Sql("INSERT INTO roster_removed SELECT id, 'z@y.example', 1 FROM accounts");
  db.Sql(
      "INSERT INTO offline_messages (account_id, received_at, origin, origin_seq, stanza) "
      "SELECT id, 1, 's', 1, '<m/>' FROM accounts");
  db.Sql("INSERT INTO offline_taken SELECT id, 's', 2 FROM accounts");
  db.Sql("INSERT INTO roster_asks SELECT id, 'k', '' FROM accounts");
  EXPECT_EQ(Do(&Accounts::Delete, For<pb::DeleteRequest>(kAda)).problem(), pb::PROBLEM_UNSPECIFIED);
  for (const char* table : {"accounts", "scram_keys", "roster_items", "roster_removed", "roster_asks",
                            "offline_messages", "offline_taken"}) {
    EXPECT_EQ(db.SqlValue(std::string("SELECT count(*) FROM ") + table), "0") << table;
  }
  EXPECT_EQ(Do(&Accounts::Delete, For<pb::DeleteRequest>(kAda)).problem(), pb::PROBLEM_NO_ACCOUNT);
  EXPECT_FALSE(Do(&Accounts::Exists, For<pb::ExistsRequest>(kAda)).exists());
  EXPECT_FALSE(Fits(kAda, "secret"));
}

TEST_F(AccountsTest, ListGoesThroughAllDomainsInPages) {
  for (const char* jid : {"c@home.example", "a@other.example", "a@home.example", "b@home.example", "b@other.example"}) {
    ASSERT_EQ(Create(jid), pb::PROBLEM_UNSPECIFIED);
  }
  const auto first = List("");
  EXPECT_THAT(Jids(first), ElementsAre("a@home.example", "b@home.example", "c@home.example"));
  EXPECT_TRUE(first.more());
  const auto second = List("", "c@home.example");
  EXPECT_THAT(Jids(second), ElementsAre("a@other.example", "b@other.example"));
  EXPECT_FALSE(second.more());
  EXPECT_THAT(Jids(List("other.example")), ElementsAre("a@other.example", "b@other.example"));
  EXPECT_THAT(Jids(List("home.example", "a@home.example", 1)), ElementsAre("b@home.example"));
  EXPECT_THAT(Jids(List("other.example", "c@home.example", 1)), ElementsAre("a@other.example"));
  EXPECT_EQ(List("unserved.example").problem(), pb::PROBLEM_NO_HOST);
}

TEST_F(AccountsTest, ImportCreatesWhatItCanAndNamesTheRest) {
  ASSERT_EQ(Create(kAda), pb::PROBLEM_UNSPECIFIED);
  pb::ImportRequest request;
  for (const char* jid :
       {kAda, "b@home.example", "bad jid@", "b@HOME.example", "x@unserved.example", "c@other.example"}) {
    auto& account = *request.add_accounts();
    account.set_jid(jid);
    account.set_password("pw");
  }
  const auto progress = Do(&Accounts::Import, request);
  EXPECT_EQ(progress.created(), 2u);
  EXPECT_EQ(progress.existed(), 2u);
  ASSERT_EQ(progress.failures_size(), 2);
  EXPECT_EQ(progress.failures(0).index(), 2u);
  EXPECT_EQ(progress.failures(0).problem(), pb::PROBLEM_INVALID);
  EXPECT_EQ(progress.failures(1).index(), 4u);
  EXPECT_EQ(progress.failures(1).problem(), pb::PROBLEM_NO_HOST);
  EXPECT_TRUE(Fits("b@home.example", "pw"));
  EXPECT_TRUE(Fits(kAda, "secret")) << "an existing account keeps its password";
}

TEST_F(AccountsTest, ImportMessageIsBounded) {
  pb::ImportRequest request;
  for (int i = 0; i < 7; ++i) {
    auto& account = *request.add_accounts();
    account.set_jid("u" + std::to_string(i) + "@home.example");
    account.set_password("pw");
  }
  const auto progress = Do(&Accounts::Import, request);
  EXPECT_EQ(progress.created(), 5u);
  EXPECT_EQ(progress.failures_size(), 2);
  EXPECT_EQ(Do(&Accounts::Import, pb::ImportRequest()).created(), 0u);
}

TEST_F(AccountsTest, FullKeyQueueSaysTryLater) {
  KeyPool none(db.loop, {.threads = 1, .max_queue = 0}, db.metrics);
  Accounts full(store, none, {.domains = {"home.example"}});
  pb::CreateRequest create;
  create.set_jid(kAda);
  create.set_password("pw");
  EXPECT_EQ(db.Wait<pb::CreateResponse>([&](auto reply) { full.Create(create, reply); }).problem(), pb::PROBLEM_STORE);
  pb::ImportRequest import;
  *import.add_accounts() = create;
  const auto progress = db.Wait<pb::ImportProgress>([&](auto reply) { full.Import(import, reply); });
  ASSERT_EQ(progress.failures_size(), 1);
  EXPECT_EQ(progress.failures(0).problem(), pb::PROBLEM_STORE);
}

}  // namespace
}  // namespace parley::roster

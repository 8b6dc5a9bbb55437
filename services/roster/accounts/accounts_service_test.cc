#include "services/roster/accounts/accounts_service.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/roster/accounts/pg_account_store.h"
#include "services/roster/test_caller.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

class AccountsServiceTest : public testing::Test {
 protected:
  template <class Response>
  Response LastAnswer(std::size_t count) {
    return caller->Answer<Response>(db.loop, count);
  }
  static std::string ImportOf(const std::vector<std::string>& jids) {
    pb::ImportRequest request;
    for (const auto& jid : jids) {
      auto& account = *request.add_accounts();
      account.set_jid(jid);
      account.set_password("secret");
    }
    return request.SerializeAsString();
  }

  TestDatabase db;
  PgAccountStore store{db.database};
  KeyPool keys{db.loop, {.iterations = 4096, .threads = 2}, db.metrics};
  Accounts accounts{store, keys, {.domains = {"home.example"}}};
  AccountsService service{accounts, db.metrics};
  std::shared_ptr<TestCaller> caller = std::make_shared<TestCaller>();
};

TEST_F(AccountsServiceTest, EveryMethodOfTheProtoIsThere) {
  const auto methods = service.methods();
  for (const char* name : {"GetCredential", "Create", "SetPassword", "Delete", "Exists", "List", "Import"}) {
    EXPECT_TRUE(methods.Begin(std::string("/parley.accounts.v1.Accounts/") + name)) << name;
  }
}

TEST_F(AccountsServiceTest, CallIsAnsweredAndCounted) {
  pb::ExistsRequest request;
  request.set_jid("ada@home.example");
  service.methods().Begin("/parley.accounts.v1.Accounts/Exists")(request.SerializeAsString(), caller);
  EXPECT_EQ(service.under_way(), 1u);
  EXPECT_FALSE(LastAnswer<pb::ExistsResponse>(1).exists());
  EXPECT_TRUE(caller->finished);
  EXPECT_EQ(service.under_way(), 0u);
}

TEST_F(AccountsServiceTest, ImportCountsFromItsStartAndNamesTheFailuresOfTheMessage) {
  const auto import = service.methods().Begin("/parley.accounts.v1.Accounts/Import");
  import(ImportOf({"ada@home.example", "bob@home.example", "eve@elsewhere.example"}), caller);
  auto progress = LastAnswer<pb::ImportProgress>(1);
  EXPECT_EQ(progress.created(), 2u);
  ASSERT_EQ(progress.failures_size(), 1);
  EXPECT_EQ(progress.failures(0).index(), 2u);
  import(ImportOf({"ada@home.example", "cyd@home.example"}), caller);
  progress = LastAnswer<pb::ImportProgress>(2);
  EXPECT_EQ(progress.created(), 3u);
  EXPECT_EQ(progress.existed(), 1u);
  EXPECT_TRUE(progress.failures().empty());
  EXPECT_EQ(caller->ready, 2);
  EXPECT_FALSE(caller->finished);
}

TEST_F(AccountsServiceTest, RequestThatDoesNotParseFails) {
  service.methods().Begin("/parley.accounts.v1.Accounts/Exists")("\xff\xff", caller);
  EXPECT_TRUE(caller->failed);
}

}  // namespace
}  // namespace parley::roster

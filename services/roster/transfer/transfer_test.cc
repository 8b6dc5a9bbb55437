#include "services/roster/transfer/transfer.h"

#include <gmock/gmock.h>

#include "services/roster/test_caller.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

namespace pb = transfer::v1;

constexpr char kJuliet[] = "juliet@home.example";

std::string MessageOf(int number) {
  return "<message xmlns='jabber:client' from='romeo@other.example' id='" + std::to_string(number) + "'>" +
         std::string(20000, 'x') + "</message>";
}

class TransferTest : public testing::Test {
 protected:
  TransferTest() { transfer.AddTo(methods); }

  pb::ImportProgress Import(const pb::ImportRequest& request) {
    const auto caller = std::make_shared<TestCaller>();
    methods.Begin("/parley.transfer.v1.Transfer/Import")(request.SerializeAsString(), caller);
    return caller->Answer<pb::ImportProgress>(db.loop);
  }
  pb::ExportResponse Export(const std::string& jid, std::int64_t after = 0) {
    pb::ExportRequest request;
    request.set_jid(jid);
    request.set_after_message(after);
    const auto caller = std::make_shared<TestCaller>();
    methods.Begin("/parley.transfer.v1.Transfer/Export")(request.SerializeAsString(), caller);
    return caller->Answer<pb::ExportResponse>(db.loop);
  }
  static pb::User& Add(pb::ImportRequest& request, const std::string& jid, const std::string& password = "secret") {
    auto& user = *request.add_users();
    user.set_jid(jid);
    user.set_password(password);
    return user;
  }

  TestDatabase db;
  KeyPool keys{db.loop, {.iterations = 4096, .threads = 1}, db.metrics};
  Transfer transfer{db.database, keys, {.domains = {"home.example", "other.example"}, .max_import = 4}, db.metrics};
  rpc::Methods methods;
};

TEST_F(TransferTest, WhatIsImportedIsExportedTheSame) {
  pb::ImportRequest request;
  auto& user = Add(request, kJuliet);
  auto& contact = *user.add_contacts()->mutable_item();
  contact.set_jid("romeo@other.example");
  contact.set_name("Romeo & Co");
  contact.add_groups("Verona, \"fair\"");
  contact.set_subscription(v1::SUBSCRIPTION_BOTH);
  contact.set_in_roster(true);
  auto& message = *user.add_messages();
  message.set_stanza(MessageOf(1));
  message.set_received_at(1'700'000'000'123);
  const auto progress = Import(request);
  EXPECT_EQ(progress.created(), 1u);
  EXPECT_EQ(progress.contacts(), 1u);
  EXPECT_EQ(progress.messages(), 1u);
  EXPECT_EQ(progress.failures_size(), 0);

  const auto exported = Export(kJuliet);
  EXPECT_EQ(exported.user().keys_size(), 2) << "made of the password, for both hashes";
  EXPECT_EQ(exported.user().password(), "");
  ASSERT_EQ(exported.user().contacts_size(), 1);
  EXPECT_EQ(exported.user().contacts(0).item().SerializeAsString(), contact.SerializeAsString());
  ASSERT_EQ(exported.user().messages_size(), 1);
  EXPECT_EQ(exported.user().messages(0).SerializeAsString(), message.SerializeAsString());
  EXPECT_EQ(exported.after_message(), 0);

  // Whole, under another name: an export is an import.
  pb::ImportRequest again;
  *again.add_users() = exported.user();
  again.mutable_users(0)->set_jid("juliet@other.example");
  EXPECT_EQ(Import(again).created(), 1u);
  EXPECT_EQ(Export("juliet@other.example").user().keys(0).SerializeAsString(),
            exported.user().keys(0).SerializeAsString());
}

TEST_F(TransferTest, AnAccountThatExistsIsLeftAlone) {
  pb::ImportRequest request;
  Add(request, kJuliet);
  EXPECT_EQ(Import(request).created(), 1u);
  const auto before = Export(kJuliet).SerializeAsString();
  request.mutable_users(0)->set_password("another");
  request.mutable_users(0)->add_messages()->set_stanza(MessageOf(1));
  const auto progress = Import(request);
  EXPECT_EQ(progress.created(), 0u);
  EXPECT_EQ(progress.existed(), 1u);
  EXPECT_EQ(progress.messages(), 0u);
  EXPECT_EQ(Export(kJuliet).SerializeAsString(), before);
}

TEST_F(TransferTest, FailuresNameTheirUserAndTheOthersAreKept) {
  pb::ImportRequest request;
  Add(request, "a@home.example");
  Add(request, "b@elsewhere.example");
  Add(request, "c@home.example", "");
  Add(request, "a@home.example", "of the same name");
  Add(request, "d@home.example");
  Add(request, "e@home.example");
  Add(request, "f@home.example");
  const auto progress = Import(request);
  EXPECT_EQ(progress.created(), 3u);
  EXPECT_EQ(progress.existed(), 1u);
  std::map<std::uint32_t, accounts::v1::Problem> failures;
  for (const auto& failure : progress.failures()) failures[failure.index()] = failure.problem();
  EXPECT_EQ(failures, (std::map<std::uint32_t, accounts::v1::Problem>{{1, accounts::v1::PROBLEM_NO_HOST},
                                                                      {2, accounts::v1::PROBLEM_INVALID},
                                                                      {6, accounts::v1::PROBLEM_INVALID}}))
      << "the last is beyond max_import";
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM accounts"), "3");
}

TEST_F(TransferTest, ManyMessagesComeInPages) {
  pb::ImportRequest request;
  auto& user = Add(request, kJuliet);
  for (int i = 0; i < 50; ++i) user.add_messages()->set_stanza(MessageOf(i));
  EXPECT_EQ(Import(request).messages(), 50u);
  db.Sql(
      "INSERT INTO offline_messages (account_id, received_at, origin, origin_seq, stanza) "
      "SELECT account_id, received_at, '', 0, stanza FROM offline_messages, generate_series(1, 3)");
  int messages = 0, pages = 0;
  for (std::int64_t after = 0; pages == 0 || after != 0; ++pages) {
    const auto page = Export(kJuliet, after);
    EXPECT_LE(page.ByteSizeLong(), 4u << 20);
    EXPECT_EQ(page.user().jid().empty(), pages > 0) << "who it is comes once";
    messages += page.user().messages_size();
    after = page.after_message();
  }
  EXPECT_EQ(messages, 200);
  EXPECT_GT(pages, 1);
}

TEST_F(TransferTest, ExportsSayWhyNot) {
  EXPECT_EQ(Export("nobody@home.example").problem(), accounts::v1::PROBLEM_NO_ACCOUNT);
  EXPECT_EQ(Export("a@elsewhere.example").problem(), accounts::v1::PROBLEM_NO_HOST);
  for (const char* jid : {"", "home.example", "juliet@home.example/balcony"}) {
    EXPECT_EQ(Export(jid).problem(), accounts::v1::PROBLEM_INVALID) << jid;
  }
}

}  // namespace
}  // namespace parley::roster

#include "services/roster/transfer/import_check.h"

#include <gmock/gmock.h>

namespace parley::roster {
namespace {

using accounts::v1::PROBLEM_INVALID;
using accounts::v1::PROBLEM_NO_HOST;
using ::testing::ElementsAre;

constexpr char kRequest[] = "<presence xmlns='jabber:client' type='subscribe' from='nurse@home.example'/>";

class ImportCheckTest : public testing::Test {
 protected:
  ImportCheckTest() { user.set_jid("juliet@home.example"); }

  v1::Item& Contact(const std::string& jid, bool in_roster = true) {
    auto& item = *user.add_contacts()->mutable_item();
    item.set_jid(jid);
    item.set_in_roster(in_roster);
    return item;
  }
  void Asks(const std::string& jid, const std::string& request, bool in_roster = false) {
    Contact(jid, in_roster).set_pending_in(true);
    user.mutable_contacts()->rbegin()->set_request(request);
  }
  void Message(const std::string& stanza) { user.add_messages()->set_stanza(stanza); }
  transfer::v1::User Check() {
    auto checked = Checked(user, options, dropped);
    EXPECT_TRUE(checked);
    return checked ? *checked : transfer::v1::User();
  }
  std::vector<std::string> Contacts() {
    std::vector<std::string> jids;
    const auto checked = Check();
    for (const auto& contact : checked.contacts()) jids.push_back(contact.item().jid());
    return jids;
  }
  accounts::v1::ScramKeys& Keys(const std::string& hash, std::size_t length) {
    auto& keys = *user.add_keys();
    keys.set_hash(hash);
    keys.set_salt("salt");
    keys.set_iterations(4096);
    keys.set_stored_key(std::string(length, 's'));
    keys.set_server_key(std::string(length, 'v'));
    return keys;
  }

  TransferOptions options{.domains = {"home.example"}};
  transfer::v1::User user;
  Dropped dropped;
};

TEST_F(ImportCheckTest, TheAccountMustBeOneOfOurs) {
  user.set_jid("Juliet@Home.example");
  EXPECT_EQ(Check().jid(), "juliet@home.example") << "prepared";
  for (const char* jid : {"", "home.example", "juliet@home.example/balcony", "ju liet@home.example", "@home.example"}) {
    user.set_jid(jid);
    EXPECT_EQ(Checked(user, options, dropped).error(), PROBLEM_INVALID) << jid;
  }
  user.set_jid("juliet@elsewhere.example");
  EXPECT_EQ(Checked(user, options, dropped).error(), PROBLEM_NO_HOST);
}

TEST_F(ImportCheckTest, EachContactIsKeptOnceAndPrepared) {
  Contact("Romeo@Other.example");
  Contact("romeo@other.example");
  Contact("not a jid@");
  Contact("romeo@other.example/orchard");
  Contact("juliet@home.example");
  Contact("nurse@home.example", false);
  EXPECT_THAT(Contacts(), ElementsAre("romeo@other.example"));
  EXPECT_EQ(dropped.contacts, 5u) << "a repeat, no JID, a full one, the own, and one for no reason";
}

TEST_F(ImportCheckTest, ContactsBeyondTheLimitsAreDroppedAndCounted) {
  options.roster.max_items = 2;
  for (const char* jid : {"a@x.example", "b@x.example", "c@x.example"}) Contact(jid);
  EXPECT_THAT(Contacts(), ElementsAre("a@x.example", "b@x.example"));
  EXPECT_EQ(dropped.contacts, 1u);
  dropped = {};
  options.roster.max_items = 100;
  options.roster.max_name_bytes = 3;
  user.mutable_contacts(1)->mutable_item()->set_name("too long");
  EXPECT_THAT(Contacts(), ElementsAre("a@x.example", "c@x.example"));
  dropped = {};
  options.roster.max_bytes = 1;
  EXPECT_TRUE(Contacts().empty());
  EXPECT_EQ(dropped.contacts, 3u);
}

TEST_F(ImportCheckTest, SubscriptionRequestsWaitOnlyAsStanzas) {
  Asks("nurse@home.example", kRequest);
  Asks("tybalt@home.example", "no stanza");
  Asks("paris@home.example", "<message xmlns='jabber:client' from='paris@home.example'/>");
  Asks("friend@home.example", "no stanza", true);
  const auto checked = Check();
  ASSERT_EQ(checked.contacts_size(), 2);
  EXPECT_EQ(checked.contacts(0).request(), kRequest);
  EXPECT_EQ(checked.contacts(1).item().jid(), "friend@home.example");
  EXPECT_FALSE(checked.contacts(1).item().pending_in()) << "stays as a contact";
  EXPECT_EQ(dropped.contacts, 2u);
  dropped = {};
  options.roster.max_pending_in = 0;
  EXPECT_THAT(Contacts(), ElementsAre("friend@home.example"));
}

TEST_F(ImportCheckTest, OfflineMessagesAreMessagesWithinTheLimits) {
  const std::string good = "<message xmlns='jabber:client' from='romeo@other.example'><body>hi</body></message>";
  for (const auto& stanza : {good, std::string("<message xmlns='jabber:client'/>"), std::string("<iq/>"), good, good}) {
    Message(stanza);
  }
  options.offline.max_messages = 2;
  EXPECT_EQ(Check().messages_size(), 2);
  EXPECT_EQ(dropped.messages, 3u) << "without a sender, no message, and one too many";
  options.offline.max_messages = 100;
  options.offline.max_bytes = good.size();
  EXPECT_EQ(Check().messages_size(), 1);
}

TEST_F(ImportCheckTest, KeysMustFitTheirHashes) {
  Keys("SHA-1", 20);
  Keys("SHA-256", 32);
  Keys("SHA-512", 64);
  const auto both = CheckedKeys(user);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size(), 2u) << "a mechanism that we do not have is left out";
  Keys("SHA-1", 20);
  EXPECT_EQ(CheckedKeys(user).error(), PROBLEM_INVALID) << "twice";
}

TEST_F(ImportCheckTest, KeysThatWouldLetNobodyInAreRefused) {
  const auto refused = [&](const std::function<void(accounts::v1::ScramKeys&)>& spoil) {
    user.clear_keys();
    spoil(Keys("SHA-256", 32));
    const auto keys = CheckedKeys(user);
    return !keys && keys.error() == PROBLEM_INVALID;
  };
  EXPECT_TRUE(refused([](auto& keys) { keys.set_stored_key("short"); }));
  EXPECT_TRUE(refused([](auto& keys) { keys.set_server_key(std::string(20, 'v')); }));
  EXPECT_TRUE(refused([](auto& keys) { keys.clear_salt(); }));
  EXPECT_TRUE(refused([](auto& keys) { keys.set_salt(std::string(2000, 's')); }));
  EXPECT_TRUE(refused([](auto& keys) { keys.set_iterations(0); }));
  EXPECT_TRUE(refused([](auto& keys) { keys.set_iterations(2'000'000'000); }));
  EXPECT_FALSE(refused([](auto&) {}));
}

}  // namespace
}  // namespace parley::roster

#include "services/roster/contacts/pg_roster_store.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "services/roster/contacts/pg_roster_store_fixture.h"
#include "services/roster/schema.h"

namespace parley::roster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(PgRosterStoreTest, NewAccountHasAnEmptyRosterWithAVersion) {
  const auto roster = Get();
  ASSERT_TRUE(roster);
  EXPECT_FALSE(roster->version().empty());
  EXPECT_FALSE(roster->unchanged());
  EXPECT_THAT(roster->items(), IsEmpty());
}

TEST_F(PgRosterStoreTest, TellsWhetherMessagesWait) {
  EXPECT_TRUE(Get()->nothing_stored());
  db.Sql("UPDATE accounts SET offline_messages = 1 WHERE localpart = 'juliet'");
  EXPECT_FALSE(Get()->nothing_stored());
  EXPECT_FALSE(Get(Get()->version())->nothing_stored()) << "also where the version is known";
}

TEST_F(PgRosterStoreTest, SetItemIsReadBackWholeWithAnyCharacters) {
  const auto change = Set(kRomeo, "Ro'm\"eo \\ {é}", {"a,b", "\"q\" \\", "null", "{}"});
  ASSERT_FALSE(change) << "more than three groups";
  const auto set = Set(kRomeo, "Ro'm\"eo \\ {é}", {"a,b", "\"q\" \\", "NULL"});
  ASSERT_TRUE(set);
  const auto roster = Get();
  ASSERT_TRUE(roster);
  EXPECT_EQ(roster->version(), set->version());
  ASSERT_EQ(roster->items_size(), 1);
  EXPECT_EQ(roster->items(0).name(), "Ro'm\"eo \\ {é}");
  EXPECT_THAT(roster->items(0).groups(), ElementsAre("a,b", "\"q\" \\", "NULL"));
  EXPECT_TRUE(roster->items(0).in_roster());
  EXPECT_EQ(Counts(), "1 0");
}

TEST_F(PgRosterStoreTest, VersionChangesExactlyWhenTheRosterDoes) {
  const std::string first = Set(kRomeo, "Romeo")->version();
  EXPECT_EQ(Set(kRomeo, "Romeo")->version(), first);
  EXPECT_TRUE(Get(first)->unchanged());
  EXPECT_THAT(Get(first)->items(), IsEmpty());
  const std::string second = Set(kRomeo, "Montague")->version();
  EXPECT_NE(second, first);
  EXPECT_FALSE(Get(first)->unchanged());
  EXPECT_EQ(Get(first)->changes_size(), 1);
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE));
  EXPECT_TRUE(Get(second)->unchanged()) << "a request does not show in the roster";
}

TEST_F(PgRosterStoreTest, TellsWhatChangedSinceAKnownVersion) {  // RFC 6121 2.6.3
  const std::string before = Get()->version();
  const std::string first = Set("a@x.example")->version();
  const std::string second = Set("b@x.example", "B", {"Friends"})->version();
  EXPECT_THAT(Changes(before), ElementsAre("+a@x.example " + first, "+b@x.example " + second));
  EXPECT_EQ(Get(first)->changes(0).item().name(), "B");
  EXPECT_THAT(Get(first)->changes(0).item().groups(), ElementsAre("Friends"));
  const std::string third = Remove("a@x.example")->version();
  EXPECT_THAT(Changes(first), ElementsAre("+b@x.example " + second, "-a@x.example " + third));
  const std::string fourth = Set("a@x.example", "again")->version();
  EXPECT_THAT(Changes(first), ElementsAre("+b@x.example " + second, "+a@x.example " + fourth));
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE));
  EXPECT_THAT(Changes(third), ElementsAre("+a@x.example " + fourth)) << "a request does not show in the roster";
  EXPECT_TRUE(Get(fourth)->unchanged());
}

TEST_F(PgRosterStoreTest, TellsTheWholeRosterWhereItDoesNotKnowWhatChanged) {
  const std::string before = Get()->version();
  const auto earlier = std::to_string(std::stoll(before) - 1);
  std::vector<std::string> versions;
  for (const std::string jid : {"a@x.example", "b@x.example", "c@x.example"}) versions.push_back(Set(jid)->version());
  for (const auto& known : {earlier, std::to_string(std::stoll(versions[2]) + 1), std::string("x"), "0" + versions[0],
                            versions[0] + " ", std::string("99999999999999999999")}) {
    EXPECT_THAT(Changes(known), ElementsAre("whole")) << known;
  }
  // Two removals are remembered.
  for (const std::string jid : {"a@x.example", "b@x.example", "c@x.example"})
    versions.push_back(Remove(jid)->version());
  EXPECT_THAT(Changes(versions[2]), ElementsAre("whole"));
  EXPECT_THAT(Changes(versions[3]), ElementsAre("-b@x.example " + versions[4], "-c@x.example " + versions[5]));
}

TEST_F(PgRosterStoreTest, TellsTheWholeRosterWhereTooMuchChanged) {
  const std::string before = Get()->version();
  for (const std::string jid : {"a@x.example", "b@x.example", "c@x.example"}) ASSERT_TRUE(Set(jid));
  EXPECT_EQ(Changes(before).size(), 3u);
  ASSERT_TRUE(Set("d@x.example"));
  EXPECT_THAT(Changes(before), ElementsAre("whole"));
  EXPECT_EQ(Get(before)->items_size(), 4);
}

TEST_F(PgRosterStoreTest, TellsTheItemsBesidesIfTheyAreWanted) {
  const std::string before = Get()->version();
  const std::string now = Set("a@x.example")->version();
  v1::GetRoster ask;
  ask.set_owner(kJuliet);
  ask.set_with_items(true);
  ask.set_accepts_changes(true);
  for (const auto& [known, changes] : {std::pair(before, 1), std::pair(now, 0)}) {
    ask.set_known_version(known);
    const auto roster = Do(&PgRosterStore::Get, ask);
    EXPECT_EQ(roster->incremental(), known == before);
    EXPECT_EQ(roster->unchanged(), known == now);
    EXPECT_EQ(roster->changes_size(), changes);
    EXPECT_EQ(roster->items_size(), 1);
  }
}

// A router of the previous release.
TEST_F(PgRosterStoreTest, TellsNoChangesToWhoDoesNotAskForThem) {
  const std::string before = Get()->version();
  const std::string now = Set("a@x.example")->version();
  v1::GetRoster ask;
  ask.set_owner(kJuliet);
  ask.set_known_version(before);
  const auto roster = Do(&PgRosterStore::Get, ask);
  EXPECT_FALSE(roster->incremental());
  EXPECT_EQ(roster->items_size(), 1);
  ask.set_known_version(now);
  EXPECT_TRUE(Do(&PgRosterStore::Get, ask)->unchanged());
  EXPECT_EQ(Do(&PgRosterStore::Get, ask)->items_size(), 0);
}

TEST_F(PgRosterStoreTest, AccountMadeAnewHasAnotherVersion) {
  const std::string before = Get()->version();
  db.Sql("DELETE FROM accounts");
  db.AddAccount("juliet");
  EXPECT_FALSE(Get(before)->unchanged());
}

TEST_F(PgRosterStoreTest, RemoveItemTellsWhatItWas) {
  ASSERT_TRUE(Set(kRomeo, "Romeo", {"Friends"}));
  ASSERT_TRUE(Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE));
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBED));
  const auto removed = Remove(kRomeo);
  ASSERT_TRUE(removed);
  EXPECT_TRUE(removed->removed());
  EXPECT_EQ(removed->item().name(), "Romeo");
  EXPECT_EQ(removed->item().subscription(), v1::SUBSCRIPTION_TO);
  EXPECT_EQ(Get()->version(), removed->version());
  EXPECT_THAT(Get()->items(), IsEmpty());
  EXPECT_EQ(Counts(), "0 0");
  EXPECT_EQ(Remove(kRomeo).error(), v1::PROBLEM_NO_ITEM);
}

TEST_F(PgRosterStoreTest, RemovalIsRememberedUntilTheItemIsBackAndForAWhile) {
  for (const char* jid : {"a@x.example", "b@x.example", "c@x.example"}) {
    ASSERT_TRUE(Set(jid));
    ASSERT_TRUE(Remove(jid));
  }
  const auto removed = [&] { return db.SqlValue("SELECT string_agg(jid, ' ' ORDER BY jid) FROM roster_removed"); };
  EXPECT_EQ(removed(), "b@x.example c@x.example");
  ASSERT_TRUE(Set("b@x.example"));
  EXPECT_EQ(removed(), "c@x.example");
}

TEST_F(PgRosterStoreTest, RequestIsKeptWholeUntilAnswered) {
  const std::string stanza("<presence type='subscribe'><x>\0\x01\xff</x></presence>", 49);
  const auto asked = Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, kRomeo, stanza);
  ASSERT_TRUE(asked);
  EXPECT_FALSE(asked->item().in_roster());
  EXPECT_THAT(PendingStanzas(), ElementsAre(stanza));
  EXPECT_EQ(Counts(), "0 1");
  ASSERT_EQ(Get()->items_size(), 1);
  EXPECT_TRUE(Get()->items(0).pending_in());
  EXPECT_EQ(Remove(kRomeo).error(), v1::PROBLEM_NO_ITEM) << "it is not part of the roster";

  const auto answered = Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBED);
  ASSERT_TRUE(answered);
  EXPECT_TRUE(answered->push());
  EXPECT_EQ(answered->item().subscription(), v1::SUBSCRIPTION_FROM);
  EXPECT_THAT(PendingStanzas(), IsEmpty());
  EXPECT_EQ(Counts(), "1 0");
}

TEST_F(PgRosterStoreTest, DeclinedRequestLeavesNothing) {
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "<presence/>"));
  const auto declined = Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_UNSUBSCRIBED);
  ASSERT_TRUE(declined);
  EXPECT_TRUE(declined->forward());
  EXPECT_FALSE(declined->push());
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_items"), "0");
  EXPECT_EQ(Counts(), "0 0");
}

TEST_F(PgRosterStoreTest, RequestOutlivesTheRemovalOfTheItem) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "<presence/>"));
  ASSERT_TRUE(Remove(kRomeo));
  EXPECT_THAT(PendingStanzas(), ElementsAre("<presence/>"));
  EXPECT_EQ(Counts(), "0 1");
}

TEST_F(PgRosterStoreTest, LimitsRefuseAndChangeNothing) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Set("c" + std::to_string(i) + "@x.example"));
  const std::string version = Get()->version();
  EXPECT_EQ(Set("c5@x.example").error(), v1::PROBLEM_TOO_MANY);
  EXPECT_EQ(Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE).error(), v1::PROBLEM_TOO_MANY);
  EXPECT_TRUE(Set("c4@x.example", "renamed"));
  for (const char* jid : {"p1@x.example", "p2@x.example"}) {
    ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, jid));
  }
  EXPECT_EQ(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, "p3@x.example").error(),
            v1::PROBLEM_TOO_MANY);
  EXPECT_EQ(Set(kRomeo, "", {"", "x"}).error(), v1::PROBLEM_INVALID);
  EXPECT_EQ(Counts(), "5 2");
  EXPECT_NE(Get()->version(), version);
}

// RFC 6121 4.3.2: there is nobody to ask, or it would say unsubscribed.
TEST_F(PgRosterStoreTest, TellsWhichContactsOfOursDoNotKnowOfTheSubscription) {
  db.AddAccount("romeo", "other.example");
  for (const char* contact : {"far@x.example", "gone@home.example", kRomeo}) {
    ASSERT_TRUE(Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE, contact));
    ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBED, contact));
  }
  ASSERT_TRUE(Set("nurse@home.example"));
  const auto refused = [&] {
    std::vector<std::string> contacts;
    const auto roster = Get();
    for (const auto& item : roster->items()) {
      if (item.refused()) contacts.push_back(item.jid());
    }
    std::sort(contacts.begin(), contacts.end());
    return contacts;
  };
  EXPECT_THAT(refused(), ElementsAre("gone@home.example", kRomeo));
  v1::ApplySubscription ask;
  ask.set_owner(kRomeo);
  ask.set_contact(kJuliet);
  ask.set_direction(Direction::DIRECTION_INBOUND);
  ask.set_verb(Direction::VERB_SUBSCRIBE);
  ASSERT_TRUE(Do(&PgRosterStore::Apply, ask));
  EXPECT_THAT(refused(), ElementsAre("gone@home.example", kRomeo)) << "asked is not granted";
  ask.set_direction(Direction::DIRECTION_OUTBOUND);
  ask.set_verb(Direction::VERB_SUBSCRIBED);
  ASSERT_TRUE(Do(&PgRosterStore::Apply, ask));
  EXPECT_THAT(refused(), ElementsAre("gone@home.example"));
}

TEST_F(PgRosterStoreTest, UnknownAccountIsToldBySoMuch) {
  EXPECT_EQ(Get("", "nobody@home.example").error(), v1::PROBLEM_NO_ACCOUNT);
  EXPECT_EQ(Get("", "juliet@other.example").error(), v1::PROBLEM_NO_ACCOUNT);
  v1::AccountInfo ask;
  ask.set_owner("nobody@home.example");
  EXPECT_FALSE(Do(&PgRosterStore::Account, ask)->exists());
  ask.set_owner(kJuliet);
  const auto account = Do(&PgRosterStore::Account, ask);
  EXPECT_TRUE(account->exists());
  EXPECT_GT(account->created_at(), 1'600'000'000'000);
  v1::PendingSubscriptions pending;
  pending.set_owner("nobody@home.example");
  EXPECT_EQ(Do(&PgRosterStore::Pending, pending).error(), v1::PROBLEM_NO_ACCOUNT);
}

TEST_F(PgRosterStoreTest, BytesAreCountedAsTheMigrationCountsThem) {
  ASSERT_TRUE(Set(kRomeo, "Roméo", {"Friends", "Vérone"}));
  ASSERT_TRUE(Set("nurse@home.example"));
  ASSERT_TRUE(Set("nurse@home.example", "Nurse"));
  ASSERT_TRUE(Apply(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE, "paris@other.example"));
  ASSERT_TRUE(Set("gone@x.example"));
  ASSERT_TRUE(Remove("gone@x.example"));
  const std::string counted = db.SqlValue("SELECT roster_bytes FROM accounts");
  db.Sql("ALTER TABLE accounts DROP COLUMN roster_bytes");
  db.Sql(Migrations()[3].sql);
  EXPECT_EQ(db.SqlValue("SELECT roster_bytes FROM accounts"), counted);
  EXPECT_NE(counted, "0");
}

TEST_F(PgRosterStoreTest, RequestsBeyondAGoodAnswerComeLater) {
  PgRosterStore many(db.database, {.max_pending_in = 100, .max_pending_bytes = 100'000});
  v1::ApplySubscription ask;
  ask.set_owner(kJuliet);
  ask.set_direction(Direction::DIRECTION_INBOUND);
  ask.set_verb(Direction::VERB_SUBSCRIBE);
  ask.set_stanza(std::string(100'000, 'x'));
  for (int i = 0; i < 10; ++i) {
    ask.set_contact("c" + std::to_string(i) + "@x.example");
    ASSERT_TRUE(db.Wait<Outcome<v1::SubscriptionChange>>([&](auto reply) { many.Apply(ask, reply); }));
  }
  EXPECT_EQ(PendingStanzas().size(), 6u);
}

// Many changes of one account at once, on all connections of the pool: none is lost, each has its own version.
TEST_F(PgRosterStoreTest, ConcurrentChangesOfOneRosterAllCount) {
  PgRosterStore many(db.database, {.max_items = 1000});
  constexpr int kChanges = 60;
  std::set<std::string> versions;
  int answers = 0;
  for (int i = 0; i < kChanges; ++i) {
    v1::SetItem ask;
    ask.set_owner(kJuliet);
    ask.mutable_item()->set_jid("c" + std::to_string(i) + "@x.example");
    many.Set(ask, [&](Outcome<v1::ItemChange> change) {
      ASSERT_TRUE(change);
      versions.insert(change->version());
      ++answers;
    });
  }
  test::RunUntil(db.loop, [&] { return answers == kChanges; });
  EXPECT_EQ(versions.size(), static_cast<std::size_t>(kChanges));
  EXPECT_EQ(Get()->items_size(), kChanges);
  EXPECT_EQ(Counts(), "60 0");
}

// The limit holds when its last places are fought for.
TEST_F(PgRosterStoreTest, ConcurrentChangesDoNotPassTheLimit) {
  int taken = 0, refused = 0;
  for (int i = 0; i < 20; ++i) {
    v1::SetItem ask;
    ask.set_owner(kJuliet);
    ask.mutable_item()->set_jid("c" + std::to_string(i) + "@x.example");
    store.Set(ask, [&](Outcome<v1::ItemChange> change) { ++(change ? taken : refused); });
  }
  test::RunUntil(db.loop, [&] { return taken + refused == 20; });
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_items"), "5");
}

TEST_F(PgRosterStoreTest, BrokenStoreAnswersStore) {
  db.Sql("ALTER TABLE roster_items RENAME TO gone");
  EXPECT_EQ(Set(kRomeo).error(), v1::PROBLEM_STORE);
  db.Sql("ALTER TABLE gone RENAME TO roster_items");
  EXPECT_TRUE(Set(kRomeo));
}

TEST_F(PgRosterStoreTest, WhatMayBeCommittedIsInDoubt) {
  const auto subscribe = [this](std::uint64_t seq) {
    return Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "", seq);
  };
  {
    const TestDatabase::LostCommits lost(db, "roster_items");
    EXPECT_EQ(subscribe(1).error(), v1::PROBLEM_IN_DOUBT);
    EXPECT_EQ(subscribe(0).error(), v1::PROBLEM_STORE) << "a repeat would not be recognised";
  }
  EXPECT_TRUE(subscribe(1));
}

}  // namespace
}  // namespace parley::roster

#include "services/roster/contacts/pg_roster_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "services/roster/schema.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Direction = v1::ApplySubscription;

constexpr char kJuliet[] = "juliet@home.example";
constexpr char kRomeo[] = "romeo@other.example";

class PgRosterStoreTest : public testing::Test {
 protected:
  PgRosterStoreTest() { db.AddAccount("juliet"); }

  template <class Answer, class Ask>
  Outcome<Answer> Do(void (PgRosterStore::*call)(const Ask&, RosterStore::Reply<Answer>), const Ask& ask) {
    return db.Wait<Outcome<Answer>>([&](auto reply) { (store.*call)(ask, reply); });
  }
  Outcome<v1::Roster> Get(const std::string& known = "", const std::string& owner = kJuliet) {
    v1::GetRoster ask;
    ask.set_owner(owner);
    ask.set_known_version(known);
    ask.set_accepts_changes(true);
    return Do(&PgRosterStore::Get, ask);
  }
  // "jid version" of each change since `known`, "whole" if all are told.
  std::vector<std::string> Changes(const std::string& known) {
    const auto roster = Get(known);
    if (!roster->incremental()) return {"whole"};
    EXPECT_EQ(roster->items_size(), 0);
    std::vector<std::string> changes;
    for (const auto& change : roster->changes()) {
      changes.push_back((change.removed() ? "-" : "+") + change.item().jid() + " " + change.version());
    }
    return changes;
  }
  Outcome<v1::ItemChange> Set(const std::string& jid, const std::string& name = "",
                              const std::vector<std::string>& groups = {}, std::uint64_t seq = 0) {
    v1::SetItem ask;
    ask.set_owner(kJuliet);
    if (seq != 0) ask.set_origin("session-1");
    ask.set_origin_seq(seq);
    ask.mutable_item()->set_jid(jid);
    ask.mutable_item()->set_name(name);
    for (const auto& group : groups) ask.mutable_item()->add_groups(group);
    return Do(&PgRosterStore::Set, ask);
  }
  Outcome<v1::ItemChange> Remove(const std::string& jid, std::uint64_t seq = 0) {
    v1::RemoveItem ask;
    ask.set_owner(kJuliet);
    ask.set_jid(jid);
    if (seq != 0) ask.set_origin("session-1");
    ask.set_origin_seq(seq);
    return Do(&PgRosterStore::Remove, ask);
  }
  Outcome<v1::SubscriptionChange> Apply(Direction::Direction direction, Direction::Verb verb,
                                        const std::string& contact = kRomeo, const std::string& stanza = "",
                                        std::uint64_t seq = 0) {
    v1::ApplySubscription ask;
    ask.set_owner(kJuliet);
    ask.set_contact(contact);
    ask.set_direction(direction);
    ask.set_verb(verb);
    ask.set_stanza(stanza);
    if (seq != 0) ask.set_origin("session-1");
    ask.set_origin_seq(seq);
    return Do(&PgRosterStore::Apply, ask);
  }
  std::vector<std::string> PendingStanzas() {
    v1::PendingSubscriptions ask;
    ask.set_owner(kJuliet);
    const auto pending = Do(&PgRosterStore::Pending, ask);
    EXPECT_TRUE(pending);
    return {pending->stanzas().begin(), pending->stanzas().end()};
  }
  // As juliet's client or the contact says it.
  Outcome<v1::SubscriptionChange> Say(Direction::Verb verb, std::uint64_t seq) {
    return Apply(Direction::DIRECTION_OUTBOUND, verb, kRomeo, "", seq);
  }
  Outcome<v1::SubscriptionChange> Hear(Direction::Verb verb, std::uint64_t seq) {
    return Apply(Direction::DIRECTION_INBOUND, verb, kRomeo, "<presence/>", seq);
  }
  v1::Item ItemOf(const std::string& jid) {
    const auto roster = Get();
    for (const auto& item : roster->items()) {
      if (item.jid() == jid) return item;
    }
    return {};
  }
  std::string Counts() {
    return db.SqlValue("SELECT roster_items || ' ' || pending_in FROM accounts WHERE localpart = 'juliet'");
  }

  TestDatabase db;
  RosterLimits limits{.max_items = 5, .max_groups = 3, .max_pending_in = 2, .history = 2, .max_changes = 3};
  PgRosterStore store{db.database, limits};
};

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

TEST_F(PgRosterStoreTest, RepeatOfTheLastChangeGetsTheFirstAnswer) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  auto first = Remove(kRomeo, 7);
  ASSERT_TRUE(first);
  first->mutable_item()->clear_name();  // nobody cancels a name
  const auto again = Remove(kRomeo, 7);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(Remove(kRomeo, 8).error(), v1::PROBLEM_NO_ITEM) << "another stanza is another question";

  const auto asked = Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "", 9);
  ASSERT_TRUE(asked);
  EXPECT_TRUE(asked->push());
  EXPECT_EQ(Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "", 9)->SerializeAsString(),
            asked->SerializeAsString());
  EXPECT_FALSE(Apply(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE, kRomeo, "", 10)->push());
}

// Applied again, it would take back what was asked since, and the contact's answer to that would count for nothing.
TEST_F(PgRosterStoreTest, RepeatOfAnOlderAnswerDoesNotEndWhatWasAskedSince) {
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 1));
  const auto refused = Hear(Direction::VERB_UNSUBSCRIBED, 2);
  ASSERT_TRUE(refused);
  const auto asked = Say(Direction::VERB_SUBSCRIBE, 3);
  const auto again = Hear(Direction::VERB_UNSUBSCRIBED, 2);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->forward()) << "a session may not have had it";
  EXPECT_TRUE(again->push());
  EXPECT_TRUE(again->item().ask()) << "as it is now";
  EXPECT_EQ(again->version(), refused->version()) << "what came after that is to be told again";
  EXPECT_EQ(Get()->version(), asked->version());
  const auto granted = Hear(Direction::VERB_SUBSCRIBED, 4);
  EXPECT_TRUE(granted->forward());
  EXPECT_EQ(ItemOf(kRomeo).subscription(), v1::SUBSCRIPTION_TO);
}

TEST_F(PgRosterStoreTest, RepeatOfAnOlderSetTellsTheItemAsItIsNow) {
  const auto first = Set(kRomeo, "Romeo", {"Friends"}, 1);
  ASSERT_TRUE(Set("nurse@home.example", "Nurse", {}, 2));
  ASSERT_TRUE(Set(kRomeo, "Montague", {"Foes"}, 3));
  const auto last = Get();
  const auto again = Set(kRomeo, "Romeo", {"Friends"}, 1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->item().name(), "Montague");
  EXPECT_THAT(again->item().groups(), ElementsAre("Foes"));
  EXPECT_FALSE(again->removed());
  EXPECT_EQ(again->version(), first->version());
  EXPECT_EQ(Get()->SerializeAsString(), last->SerializeAsString());
}

TEST_F(PgRosterStoreTest, RepeatOfAnOlderSetDoesNotBringTheItemBack) {
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  ASSERT_TRUE(Remove(kRomeo, 2));
  const auto again = Set(kRomeo, "Romeo", {}, 1);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->removed());
  EXPECT_EQ(again->item().jid(), kRomeo);
  EXPECT_THAT(Get()->items(), IsEmpty());
  EXPECT_EQ(Counts(), "0 0");
}

TEST_F(PgRosterStoreTest, RepeatOfAnOlderRemovalCancelsAgainWhatItCancelled) {
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 1));
  const auto first = Remove(kRomeo, 2);
  ASSERT_TRUE(first);
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 3));
  const auto again = Remove(kRomeo, 2);
  ASSERT_TRUE(again) << "else the client is told that there was nothing to remove";
  EXPECT_TRUE(again->removed());
  EXPECT_FALSE(again->has_back());
  EXPECT_TRUE(again->item().ask());
  EXPECT_EQ(again->version(), first->version());
  EXPECT_EQ(Counts(), "1 0");
}

TEST_F(PgRosterStoreTest, RepeatOfAnOlderRemovalLeavesTheItemThatIsBack) {
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 1));
  ASSERT_TRUE(Remove(kRomeo, 2));
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 3));
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 4));
  const auto again = Remove(kRomeo, 2);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->back().name(), "Romeo");
  EXPECT_TRUE(again->back().ask());
  EXPECT_FALSE(again->item().ask()) << "not to be cancelled: it is asked anew";
  EXPECT_EQ(ItemOf(kRomeo).name(), "Romeo");
}

TEST_F(PgRosterStoreTest, RepeatOfAnOlderRequestIsNotAskedTwice) {
  ASSERT_TRUE(Hear(Direction::VERB_SUBSCRIBE, 1));
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 2));
  EXPECT_TRUE(Hear(Direction::VERB_SUBSCRIBE, 1)->forward()) << "it waits: a session may not have had it";
  ASSERT_TRUE(Say(Direction::VERB_UNSUBSCRIBED, 3));
  EXPECT_FALSE(Hear(Direction::VERB_SUBSCRIBE, 1)->forward()) << "it is answered";
  EXPECT_THAT(PendingStanzas(), IsEmpty());
  EXPECT_EQ(Counts(), "1 0");
}

TEST_F(PgRosterStoreTest, ChangesAreRememberedForAWhile) {
  const auto forget = [&](std::chrono::milliseconds age) {
    return *db.Wait<Outcome<std::uint32_t>>([&](auto reply) { store.Forget(age, reply); });
  };
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  ASSERT_TRUE(Set(kRomeo, "Montague", {}, 2));
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 3));
  ASSERT_TRUE(Set("nurse@home.example"));
  EXPECT_EQ(forget(std::chrono::hours(1)), 0u);
  db.Sql(
      "UPDATE roster_asks SET made_at = now() - interval '61 minutes' "
      "WHERE ask = sha256('set session-1 1 romeo@other.example')");
  EXPECT_EQ(forget(std::chrono::hours(1)), 1u);
  EXPECT_EQ(forget(std::chrono::hours(1)), 0u);
  EXPECT_EQ(Set(kRomeo, "Verona", {}, 2)->item().name(), "Montague") << "that one is remembered";
  EXPECT_EQ(Set(kRomeo, "Romeo", {}, 1)->item().name(), "Romeo") << "this one is news by now";
}

TEST_F(PgRosterStoreTest, WhatIsRememberedIsSmall) {
  ASSERT_TRUE(Set(kRomeo, std::string(1000, 'n'), {std::string(1000, 'g')}, 1));
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 2));
  ASSERT_TRUE(Remove(kRomeo, 3));
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_asks"), "3");
  EXPECT_LT(std::stoi(db.SqlValue("SELECT max(octet_length(answer)) FROM roster_asks")), 50);
  ASSERT_TRUE(Set("nurse@home.example"));
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_asks"), "3") << "what names no stanza is not repeated";
}

// Incompressible text that is longer than an index entry may be.
TEST_F(PgRosterStoreTest, ChangesWithLongNamesOfOriginsAreRemembered) {
  v1::RemoveItem ask;
  for (int i = 0; i < 2000; ++i) ask.mutable_origin()->append(std::to_string(i * 7919 % 10'007));
  ask.set_owner(kJuliet);
  ask.set_jid(kRomeo);
  ASSERT_TRUE(Set(kRomeo));
  ASSERT_TRUE(Do(&PgRosterStore::Remove, ask));
  ASSERT_TRUE(Set(kRomeo));
  EXPECT_TRUE(Do(&PgRosterStore::Remove, ask)->has_back());
}

// In a cluster of two releases.
TEST_F(PgRosterStoreTest, LastChangeOfTheReleaseBeforeIsRecognised) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  const auto first = Remove(kRomeo, 7);
  db.Sql("DELETE FROM roster_asks");
  const auto again = Remove(kRomeo, 7);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
}

TEST_F(PgRosterStoreTest, LastChangeIsRecognisedByTheReleaseBefore) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  const auto first = Remove(kRomeo, 7);
  EXPECT_EQ(db.SqlValue("SELECT last_ask FROM accounts"), std::string("remove session-1 7 ") + kRomeo);
  const auto answer = db.SqlValue("SELECT encode(last_answer, 'escape') FROM accounts");
  EXPECT_NE(answer.find("Romeo"), std::string::npos) << "whole";
}

TEST_F(PgRosterStoreTest, AccountMadeAnewKnowsNoChangesOfTheOld) {
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 2));
  db.Sql("DELETE FROM accounts");
  db.AddAccount("juliet");
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  EXPECT_EQ(ItemOf(kRomeo).name(), "Romeo");
}

// Changes and their repeats at once on all connections of the pool, so that most are not the last.
TEST_F(PgRosterStoreTest, ConcurrentRepeatsChangeNothing) {
  const std::vector<std::string> jids = {"a@x.example", "b@x.example", "c@x.example"};
  for (const auto& jid : jids) ASSERT_TRUE(Set(jid));
  constexpr std::size_t kAsks = 60;
  std::size_t removed = 0, refused = 0;
  for (std::size_t i = 0; i < kAsks; ++i) {
    v1::RemoveItem ask;
    ask.set_owner(kJuliet);
    ask.set_jid(jids[i % jids.size()]);
    ask.set_origin("session-1");
    ask.set_origin_seq(i % jids.size());
    store.Remove(ask, [&](Outcome<v1::ItemChange> change) { ++(change ? removed : refused); });
  }
  test::RunUntil(db.loop, [&] { return removed + refused == kAsks; });
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(Counts(), "0 0");
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

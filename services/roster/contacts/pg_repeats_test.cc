// Changes of a roster that are asked again, by themselves or while others change it.
#include <string>
#include <vector>

#include "services/roster/contacts/pg_roster_store_fixture.h"

namespace parley::roster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PgRepeatsTest : public PgRosterStoreTest {};

TEST_F(PgRepeatsTest, RepeatOfTheLastChangeGetsTheFirstAnswer) {
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
TEST_F(PgRepeatsTest, RepeatOfAnOlderAnswerDoesNotEndWhatWasAskedSince) {
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

TEST_F(PgRepeatsTest, RepeatOfAnOlderSetTellsTheItemAsItIsNow) {
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

TEST_F(PgRepeatsTest, RepeatOfAnOlderSetDoesNotBringTheItemBack) {
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  ASSERT_TRUE(Remove(kRomeo, 2));
  const auto again = Set(kRomeo, "Romeo", {}, 1);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->removed());
  EXPECT_EQ(again->item().jid(), kRomeo);
  EXPECT_THAT(Get()->items(), IsEmpty());
  EXPECT_EQ(Counts(), "0 0");
}

TEST_F(PgRepeatsTest, RepeatOfAnOlderRemovalCancelsAgainWhatItCancelled) {
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

TEST_F(PgRepeatsTest, RepeatOfAnOlderRemovalLeavesTheItemThatIsBack) {
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

TEST_F(PgRepeatsTest, RepeatOfAnOlderRequestIsNotAskedTwice) {
  ASSERT_TRUE(Hear(Direction::VERB_SUBSCRIBE, 1));
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 2));
  EXPECT_TRUE(Hear(Direction::VERB_SUBSCRIBE, 1)->forward()) << "it waits: a session may not have had it";
  ASSERT_TRUE(Say(Direction::VERB_UNSUBSCRIBED, 3));
  EXPECT_FALSE(Hear(Direction::VERB_SUBSCRIBE, 1)->forward()) << "it is answered";
  EXPECT_THAT(PendingStanzas(), IsEmpty());
  EXPECT_EQ(Counts(), "1 0");
}

TEST_F(PgRepeatsTest, ChangesAreRememberedForAWhile) {
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

TEST_F(PgRepeatsTest, WhatIsRememberedIsSmall) {
  ASSERT_TRUE(Set(kRomeo, std::string(1000, 'n'), {std::string(1000, 'g')}, 1));
  ASSERT_TRUE(Say(Direction::VERB_SUBSCRIBE, 2));
  ASSERT_TRUE(Remove(kRomeo, 3));
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_asks"), "3");
  EXPECT_LT(std::stoi(db.SqlValue("SELECT max(octet_length(answer)) FROM roster_asks")), 50);
  ASSERT_TRUE(Set("nurse@home.example"));
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM roster_asks"), "3") << "what names no stanza is not repeated";
}

// Incompressible text that is longer than an index entry may be.
TEST_F(PgRepeatsTest, ChangesWithLongNamesOfOriginsAreRemembered) {
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
TEST_F(PgRepeatsTest, LastChangeOfTheReleaseBeforeIsRecognised) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  const auto first = Remove(kRomeo, 7);
  db.Sql("DELETE FROM roster_asks");
  const auto again = Remove(kRomeo, 7);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
}

TEST_F(PgRepeatsTest, LastChangeIsRecognisedByTheReleaseBefore) {
  ASSERT_TRUE(Set(kRomeo, "Romeo"));
  const auto first = Remove(kRomeo, 7);
  EXPECT_EQ(db.SqlValue("SELECT last_ask FROM accounts"), std::string("remove session-1 7 ") + kRomeo);
  const auto answer = db.SqlValue("SELECT encode(last_answer, 'escape') FROM accounts");
  EXPECT_NE(answer.find("Romeo"), std::string::npos) << "whole";
}

TEST_F(PgRepeatsTest, AccountMadeAnewKnowsNoChangesOfTheOld) {
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  ASSERT_TRUE(Set("nurse@home.example", "", {}, 2));
  db.Sql("DELETE FROM accounts");
  db.AddAccount("juliet");
  ASSERT_TRUE(Set(kRomeo, "Romeo", {}, 1));
  EXPECT_EQ(ItemOf(kRomeo).name(), "Romeo");
}

// Changes and their repeats at once on all connections of the pool, so that most are not the last.
TEST_F(PgRepeatsTest, ConcurrentRepeatsChangeNothing) {
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

}  // namespace
}  // namespace parley::roster

#include "services/roster/offline/pg_offline_store.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::StoreOffline Message(const std::string& owner, const std::string& stanza, const std::string& origin = "",
                         std::uint64_t seq = 0) {
  v1::StoreOffline message;
  message.set_owner(owner);
  message.set_stanza(stanza);
  message.set_received_at(1'700'000'000'123);
  message.set_origin(origin);
  message.set_origin_seq(seq);
  return message;
}

std::string Word(const Result<v1::Stored, v1::Problem>& outcome) {
  if (!outcome) return v1::Problem_Name(outcome.error()).substr(8);
  return outcome->repeat() ? "repeat" : "stored";
}

class PgOfflineStoreTest : public testing::Test {
 protected:
  PgOfflineStoreTest() {
    db.AddAccount("juliet");
    db.AddAccount("nurse");
  }

  std::vector<std::string> Store(std::vector<v1::StoreOffline> messages) {
    const auto outcomes = db.Wait<Result<OfflineStore::StoredEach, v1::Problem>>(
        [&](auto reply) { store.Store(std::move(messages), reply); });
    std::vector<std::string> words;
    if (!outcomes) return {v1::Problem_Name(outcomes.error())};
    for (const auto& outcome : *outcomes) words.push_back(Word(outcome));
    return words;
  }
  v1::OfflineMessages Fetch(std::uint32_t limit = 0, std::int64_t after = 0, const std::string& owner = kJuliet) {
    v1::FetchOffline ask;
    ask.set_owner(owner);
    ask.set_limit(limit);
    ask.set_after_id(after);
    auto page = db.Wait<Result<v1::OfflineMessages, v1::Problem>>([&](auto reply) { store.Fetch(ask, reply); });
    EXPECT_TRUE(page);
    return std::move(*page);
  }
  std::vector<std::string> Stanzas() {
    std::vector<std::string> stanzas;
    const auto page = Fetch();
    for (const auto& message : page.messages()) stanzas.push_back(message.stanza());
    return stanzas;
  }
  std::uint32_t Delete(const std::vector<std::int64_t>& ids) {
    v1::DeleteOffline ask;
    ask.set_owner(kJuliet);
    for (const auto id : ids) ask.add_ids(id);
    return db.Wait<Result<v1::Deleted, v1::Problem>>([&](auto reply) { store.Delete(ask, reply); })->messages();
  }
  std::string Counts() {
    return db.SqlValue("SELECT offline_messages || ' ' || offline_bytes FROM accounts WHERE localpart = 'juliet'");
  }

  static constexpr char kJuliet[] = "juliet@home.example";
  static constexpr char kNurse[] = "nurse@home.example";
  TestDatabase db;
  PgOfflineStore store{db.database, {.max_messages = 4, .max_bytes = 100}};
};

TEST_F(PgOfflineStoreTest, KeepsOrderBytesAndIdentity) {
  const std::string bytes("<message>\0\xff\"'\\{},</message>", 27);
  EXPECT_THAT(Store({Message(kJuliet, bytes, "s-1", 5), Message(kNurse, "<n/>"), Message(kJuliet, "<b/>", "s-1", 6)}),
              ElementsAre("stored", "stored", "stored"));
  EXPECT_THAT(Store({Message(kJuliet, "<c/>", "s-2", 1)}), ElementsAre("stored"));
  EXPECT_THAT(Stanzas(), ElementsAre(bytes, "<b/>", "<c/>"));
  const auto page = Fetch();
  EXPECT_EQ(page.messages(0).received_at(), 1'700'000'000'123);
  EXPECT_EQ(page.messages(0).origin(), "s-1");
  EXPECT_EQ(page.messages(0).origin_seq(), 5u);
  EXPECT_LT(page.messages(0).id(), page.messages(1).id());
  EXPECT_EQ(Counts(), "3 35");
}

TEST_F(PgOfflineStoreTest, RepeatIsStoredOnceWithinABatchAndLater) {
  EXPECT_THAT(Store({Message(kJuliet, "<a/>", "s", 1), Message(kJuliet, "<a/>", "s", 1)}),
              ElementsAre("stored", "repeat"));
  EXPECT_THAT(Store({Message(kJuliet, "<a/>", "s", 1)}), ElementsAre("repeat"));
  EXPECT_THAT(Store({Message(kNurse, "<a/>", "s", 1)}), ElementsAre("stored")) << "another recipient";
  EXPECT_THAT(Store({Message(kJuliet, "<x/>"), Message(kJuliet, "<x/>")}), ElementsAre("stored", "stored"))
      << "without an origin nothing is recognised";
  EXPECT_THAT(Stanzas(), ElementsAre("<a/>", "<x/>", "<x/>"));
}

TEST_F(PgOfflineStoreTest, RepeatOfADeliveredMessageIsRecognisedForAWhile) {
  ASSERT_THAT(Store({Message(kJuliet, "<a/>", "s", 1)}), ElementsAre("stored"));
  EXPECT_EQ(Delete({Fetch().messages(0).id()}), 1u);
  EXPECT_THAT(Store({Message(kJuliet, "<a/>", "s", 1)}), ElementsAre("repeat"));
  EXPECT_THAT(Stanzas(), IsEmpty());
  const auto forget = [&](std::chrono::milliseconds age) {
    return *db.Wait<Result<std::uint32_t, v1::Problem>>([&](auto reply) { store.Forget(age, reply); });
  };
  EXPECT_EQ(forget(std::chrono::hours(1)), 0u);
  db.Sql("UPDATE offline_taken SET taken_at = now() - interval '61 minutes'");
  EXPECT_EQ(forget(std::chrono::hours(1)), 1u);
  EXPECT_THAT(Store({Message(kJuliet, "<a/>", "s", 1)}), ElementsAre("stored"));
}

TEST_F(PgOfflineStoreTest, QuotaCountsMessagesAndBytesAndNeverRefusesARepeat) {
  EXPECT_THAT(Store({Message(kJuliet, "1", "s", 1), Message(kJuliet, "2", "s", 2), Message(kJuliet, "3", "s", 3),
                     Message(kJuliet, "4", "s", 4), Message(kJuliet, "5", "s", 5), Message(kNurse, "n"),
                     Message(kJuliet, "1", "s", 1)}),
              ElementsAre("stored", "stored", "stored", "stored", "TOO_MANY", "stored", "repeat"));
  EXPECT_EQ(Counts(), "4 4");
  EXPECT_EQ(Delete({Fetch().messages(0).id()}), 1u);
  EXPECT_EQ(Counts(), "3 3");
  EXPECT_THAT(Store({Message(kJuliet, std::string(98, 'x'), "s", 6), Message(kJuliet, std::string(97, 'x'), "s", 7)}),
              ElementsAre("TOO_MANY", "stored"));
  EXPECT_EQ(Counts(), "4 100");
}

TEST_F(PgOfflineStoreTest, QuotaHoldsWhenBatchesRace) {
  int stored = 0, refused = 0;
  for (int i = 0; i < 12; ++i) {
    store.Store({Message(kJuliet, "m", "s" + std::to_string(i), 1), Message(kNurse, "m", "s" + std::to_string(i), 1)},
                [&](Result<OfflineStore::StoredEach, v1::Problem> outcomes) {
                  ASSERT_TRUE(outcomes);
                  for (const auto& outcome : *outcomes) ++(outcome ? stored : refused);
                });
  }
  test::RunUntil(db.loop, [&] { return stored + refused == 24; });
  EXPECT_EQ(stored, 8);
  EXPECT_EQ(Counts(), "4 4");
  EXPECT_EQ(db.SqlValue("SELECT count(*) FROM offline_messages"), "8");
}

TEST_F(PgOfflineStoreTest, SameMessageAtTheSameTimeIsStoredOnce) {
  int stored = 0, repeats = 0;
  for (int i = 0; i < 10; ++i) {
    store.Store({Message(kJuliet, "m", "s", 1)}, [&](Result<OfflineStore::StoredEach, v1::Problem> outcomes) {
      ASSERT_TRUE(outcomes && outcomes->front());
      ++(outcomes->front()->repeat() ? repeats : stored);
    });
  }
  test::RunUntil(db.loop, [&] { return stored + repeats == 10; });
  EXPECT_EQ(stored, 1);
  EXPECT_EQ(Counts(), "1 1");
}

TEST_F(PgOfflineStoreTest, UnknownAccountDoesNotSpoilTheBatch) {
  EXPECT_THAT(Store({Message("nobody@home.example", "x"), Message(kJuliet, "y"), Message("juliet@other.example", "z")}),
              ElementsAre("NO_ACCOUNT", "stored", "NO_ACCOUNT"));
  v1::FetchOffline ask;
  ask.set_owner("nobody@home.example");
  EXPECT_EQ((db.Wait<Result<v1::OfflineMessages, v1::Problem>>([&](auto reply) { store.Fetch(ask, reply); })).error(),
            v1::PROBLEM_NO_ACCOUNT);
}

TEST_F(PgOfflineStoreTest, PagesGoOnWhereTheLastOneEnded) {
  ASSERT_EQ(Store({Message(kJuliet, "1"), Message(kJuliet, "2"), Message(kJuliet, "3")}).size(), 3u);
  const auto first = Fetch(2);
  ASSERT_EQ(first.messages_size(), 2);
  EXPECT_TRUE(first.more());
  const auto second = Fetch(2, first.messages(1).id());
  ASSERT_EQ(second.messages_size(), 1);
  EXPECT_FALSE(second.more());
  EXPECT_EQ(second.messages(0).stanza(), "3");
  EXPECT_THAT(Fetch(2, second.messages(0).id()).messages(), IsEmpty());
}

TEST_F(PgOfflineStoreTest, PageIsBoundedByBytesToo) {
  PgOfflineStore big(db.database, {.max_messages = 10, .max_bytes = 10 << 20});
  std::vector<v1::StoreOffline> messages(3, Message(kJuliet, std::string(700'000, 'x')));
  ASSERT_TRUE(
      (db.Wait<Result<OfflineStore::StoredEach, v1::Problem>>([&](auto reply) { big.Store(messages, reply); })));
  const auto page = Fetch();
  EXPECT_EQ(page.messages_size(), 2);
  EXPECT_TRUE(page.more());
}

TEST_F(PgOfflineStoreTest, DeletesOnlyTheOwnersAndOnlyOnce) {
  ASSERT_EQ(Store({Message(kJuliet, "1"), Message(kNurse, "2")}).size(), 2u);
  const auto mine = Fetch().messages(0).id();
  const auto hers = Fetch(0, 0, kNurse).messages(0).id();
  EXPECT_EQ(Delete({mine, hers, mine, 4711}), 1u);
  EXPECT_EQ(Delete({mine}), 0u);
  EXPECT_EQ(Fetch(0, 0, kNurse).messages_size(), 1);
  EXPECT_EQ(Counts(), "0 0");
}

TEST_F(PgOfflineStoreTest, WhatMayBeCommittedIsInDoubt) {
  const auto message = Message(kJuliet, "1", "session-1", 1);
  {
    const TestDatabase::LostCommits lost(db, "offline_messages");
    EXPECT_THAT(Store({message}), ElementsAre("PROBLEM_IN_DOUBT"));
  }
  EXPECT_THAT(Store({message}), ElementsAre("stored"));
}

}  // namespace
}  // namespace parley::roster

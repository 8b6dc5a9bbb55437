#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "services/roster/contacts/pg_roster_store.h"
#include "services/roster/test_database.h"

namespace parley::roster {

using Direction = v1::ApplySubscription;

inline constexpr char kJuliet[] = "juliet@home.example";
inline constexpr char kRomeo[] = "romeo@other.example";

// Juliet's roster, in a PostgreSQL.
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

}  // namespace parley::roster

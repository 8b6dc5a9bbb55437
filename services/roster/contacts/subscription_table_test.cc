#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "libs/xmpp/subscription.h"
#include "services/roster/contacts/pg_roster_store.h"
#include "services/roster/test_database.h"

namespace parley::roster {
namespace {

using xmpp::Subscription;
using xmpp::SubscriptionState;
using Ask = v1::ApplySubscription;

// RFC 6121 appendix A: the nine states, and those with pre-approval.
std::vector<SubscriptionState> AllStates() {
  std::vector<SubscriptionState> states;
  for (const auto subscription : {Subscription::kNone, Subscription::kTo, Subscription::kFrom, Subscription::kBoth}) {
    const bool to = subscription == Subscription::kTo || subscription == Subscription::kBoth;
    const bool from = subscription == Subscription::kFrom || subscription == Subscription::kBoth;
    for (const bool out : {false, true}) {
      for (const bool in : {false, true}) {
        if ((out && to) || (in && from)) continue;
        states.push_back({.subscription = subscription, .pending_out = out, .pending_in = in});
        if (!in && !from) states.push_back({.subscription = subscription, .pending_out = out, .approved = true});
      }
    }
  }
  return states;
}

bool Empty(const SubscriptionState& state) { return state == SubscriptionState{}; }
bool Shows(const SubscriptionState& state) {
  return state.subscription != Subscription::kNone || state.pending_out || state.approved;
}

std::string Row(const SubscriptionState& state, bool in_roster) {
  const auto flag = [](bool value) { return value ? "t" : "f"; };
  return std::to_string(static_cast<int>(state.subscription)) + flag(state.pending_out) + flag(state.approved) +
         flag(state.pending_in) + flag(in_roster);
}

std::string Describe(const SubscriptionState& state, const Ask& ask) {
  return Row(state, Shows(state)) + " " + Ask::Direction_Name(ask.direction()) + " " + Ask::Verb_Name(ask.verb());
}

class SubscriptionTableTest : public testing::Test {
 protected:
  SubscriptionTableTest() { db.AddAccount("juliet"); }

  void Put(const SubscriptionState& state) {
    const auto flag = [](bool value) { return value ? "true" : "false"; };
    db.Sql("DELETE FROM roster_items");
    db.Sql("UPDATE accounts SET roster_items = " + std::to_string(Shows(state)) +
           ", pending_in = " + std::to_string(state.pending_in));
    if (Empty(state)) return;
    db.Sql(std::string("INSERT INTO roster_items SELECT id, 'romeo@other.example', '', '{}', ") +
           std::to_string(static_cast<int>(state.subscription)) + ", " + flag(state.pending_out) + ", " +
           flag(state.approved) + ", " + flag(state.pending_in) + ", " + flag(Shows(state)) +
           ", NULL, 1 FROM accounts");
  }
  std::string Stored() {
    const auto rows = db.Sql(
        "SELECT subscription || left(ask::text, 1) || left(approved::text, 1) || left(pending_in::text, 1) || "
        "left(in_roster::text, 1) FROM roster_items");
    return rows.empty() ? "nothing" : rows[0][0].c_str();
  }
  std::string Counted() { return db.SqlValue("SELECT roster_items || ' ' || pending_in FROM accounts"); }

  void Check(const SubscriptionState& state, Ask ask) {
    SCOPED_TRACE(Describe(state, ask));
    Put(state);
    const auto verb = static_cast<xmpp::Verb>(ask.verb() - Ask::VERB_SUBSCRIBE);
    const auto expected =
        ask.direction() == Ask::DIRECTION_INBOUND ? xmpp::Inbound(state, verb) : xmpp::Outbound(state, verb);
    const bool in_roster = Shows(state) || Shows(expected.next);
    const auto change =
        db.Wait<Outcome<v1::SubscriptionChange>>([&](auto reply) { store.Apply(ask, std::move(reply)); });
    ASSERT_TRUE(change);
    EXPECT_EQ(change->forward(), expected.forward);
    EXPECT_EQ(change->auto_reply(), expected.auto_reply);
    EXPECT_EQ(static_cast<int>(change->before()), static_cast<int>(state.subscription));
    SubscriptionState seen_before = state, seen_after = expected.next;
    seen_before.pending_in = seen_after.pending_in = false;
    EXPECT_EQ(change->push(), !(seen_before == seen_after));
    const bool nothing = !in_roster && !expected.next.pending_in;
    EXPECT_EQ(Stored(), nothing ? "nothing" : Row(expected.next, in_roster));
    EXPECT_EQ(Counted(), std::to_string(in_roster) + " " + std::to_string(expected.next.pending_in));
  }

  TestDatabase db;
  PgRosterStore store{db.database, {}};
};

TEST_F(SubscriptionTableTest, EveryStateAndStanzaIsStoredAsTheTablesSay) {
  Ask ask;
  ask.set_owner("juliet@home.example");
  ask.set_contact("romeo@other.example");
  ask.set_stanza("<presence type='subscribe'/>");
  for (const auto& state : AllStates()) {
    for (const auto direction : {Ask::DIRECTION_OUTBOUND, Ask::DIRECTION_INBOUND}) {
      for (const auto verb :
           {Ask::VERB_SUBSCRIBE, Ask::VERB_SUBSCRIBED, Ask::VERB_UNSUBSCRIBE, Ask::VERB_UNSUBSCRIBED}) {
        ask.set_direction(direction);
        ask.set_verb(verb);
        Check(state, ask);
      }
    }
  }
}

}  // namespace
}  // namespace parley::roster

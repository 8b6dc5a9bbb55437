#include "services/roster/contacts/repeats.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parley::roster {
namespace {

using Direction = v1::ApplySubscription;

v1::Item Item(v1::Subscription subscription, bool ask = false, bool pending_in = false, bool in_roster = true) {
  v1::Item item;
  item.set_jid("romeo@other.example");
  item.set_subscription(subscription);
  item.set_ask(ask);
  item.set_pending_in(pending_in);
  item.set_in_roster(in_roster);
  return item;
}

v1::SubscriptionChange Change(v1::Subscription before, v1::Subscription after) {
  v1::SubscriptionChange change;
  change.set_forward(true);
  change.set_push(true);
  change.set_version("7");
  change.set_before(before);
  *change.mutable_item() = Item(after);
  return change;
}

v1::ApplySubscription Ask(Direction::Direction direction, Direction::Verb verb) {
  v1::ApplySubscription ask;
  ask.set_direction(direction);
  ask.set_verb(verb);
  return ask;
}

const v1::Item kGone = Item(v1::SUBSCRIPTION_NONE, false, false, false);
const v1::ApplySubscription kGrant = Ask(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBED);

// "to from ask": what of an item that was `both` or asked for is cancelled once more.
std::string Cancelled(const v1::Item& was, const v1::Item& now) {
  v1::ItemChange first;
  *first.mutable_item() = was;
  first.set_removed(true);
  const v1::ItemChange again = RemovedAgain(ToRemember(first), now);
  EXPECT_TRUE(again.removed());
  EXPECT_EQ(again.item().jid(), now.jid());
  EXPECT_EQ(again.item().pending_in(), now.pending_in());
  EXPECT_EQ(again.has_back(), now.in_roster());
  std::string cancelled;
  if ((again.item().subscription() & v1::SUBSCRIPTION_TO) != 0) cancelled += "to ";
  if ((again.item().subscription() & v1::SUBSCRIPTION_FROM) != 0) cancelled += "from ";
  if (again.item().ask()) cancelled += "ask ";
  return cancelled;
}

TEST(RepeatsTest, RemovalCancelsAgainWhatDidNotBeginAnew) {
  const v1::Item both = Item(v1::SUBSCRIPTION_BOTH);
  EXPECT_EQ(Cancelled(both, kGone), "to from ");
  EXPECT_EQ(Cancelled(both, Item(v1::SUBSCRIPTION_NONE)), "to from ") << "set anew, without a subscription";
  EXPECT_EQ(Cancelled(both, Item(v1::SUBSCRIPTION_NONE, true)), "from ") << "asked anew";
  EXPECT_EQ(Cancelled(both, Item(v1::SUBSCRIPTION_TO)), "from ");
  EXPECT_EQ(Cancelled(both, Item(v1::SUBSCRIPTION_FROM)), "to ");
  EXPECT_EQ(Cancelled(both, Item(v1::SUBSCRIPTION_NONE, false, true, false)), "to ") << "the contact asks anew";
  EXPECT_EQ(Cancelled(Item(v1::SUBSCRIPTION_FROM, true), kGone), "from ask ");
  EXPECT_EQ(Cancelled(Item(v1::SUBSCRIPTION_FROM, true), Item(v1::SUBSCRIPTION_TO)), "from ");
}

struct Presence {
  const char* what;
  v1::Subscription before, after, now;
  bool shows, hides;
};

TEST(RepeatsTest, PresenceIsShownAndHiddenAgainOnlyWhereThatChangeDidItAndItIsStillSo) {
  using enum v1::Subscription;
  const std::vector<Presence> table = {
      {"granted, still so", SUBSCRIPTION_NONE, SUBSCRIPTION_FROM, SUBSCRIPTION_BOTH, true, false},
      {"granted, taken back", SUBSCRIPTION_NONE, SUBSCRIPTION_FROM, SUBSCRIPTION_NONE, false, false},
      {"taken back, still so", SUBSCRIPTION_BOTH, SUBSCRIPTION_TO, SUBSCRIPTION_NONE, false, true},
      {"taken back, granted anew", SUBSCRIPTION_BOTH, SUBSCRIPTION_TO, SUBSCRIPTION_BOTH, false, false},
      {"another change, granted since", SUBSCRIPTION_NONE, SUBSCRIPTION_TO, SUBSCRIPTION_BOTH, false, false},
      {"another change, taken back since", SUBSCRIPTION_FROM, SUBSCRIPTION_BOTH, SUBSCRIPTION_TO, false, false},
  };
  for (const auto& [what, before, after, now, shows, hides] : table) {
    const auto again = AppliedAgain(kGrant, ToRemember(Change(before, after)), Item(now));
    const bool had = (again.before() & SUBSCRIPTION_FROM) != 0,
               has = (again.item().subscription() & SUBSCRIPTION_FROM) != 0;
    EXPECT_EQ(has && !had, shows) << what;
    EXPECT_EQ(had && !has, hides) << what;
    EXPECT_TRUE(again.forward()) << what;
    EXPECT_EQ(again.version(), "7") << what;
  }
}

TEST(RepeatsTest, ContactIsToldThatItIsSubscribedAsLongAsItIs) {
  const auto ask = Ask(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE);
  auto first = Change(v1::SUBSCRIPTION_NONE, v1::SUBSCRIPTION_FROM);
  first.set_forward(false);
  first.set_auto_reply(true);
  EXPECT_TRUE(AppliedAgain(ask, first, Item(v1::SUBSCRIPTION_FROM)).auto_reply());
  EXPECT_FALSE(AppliedAgain(ask, first, Item(v1::SUBSCRIPTION_NONE)).auto_reply());
  EXPECT_FALSE(AppliedAgain(ask, first, Item(v1::SUBSCRIPTION_NONE, false, true)).forward()) << "as the first time";
}

TEST(RepeatsTest, RequestIsDeliveredAgainUntilItIsAnswered) {
  const auto ask = Ask(Direction::DIRECTION_INBOUND, Direction::VERB_SUBSCRIBE);
  const auto first = Change(v1::SUBSCRIPTION_NONE, v1::SUBSCRIPTION_NONE);
  EXPECT_TRUE(AppliedAgain(ask, first, Item(v1::SUBSCRIPTION_NONE, false, true)).forward());
  EXPECT_FALSE(AppliedAgain(ask, first, Item(v1::SUBSCRIPTION_FROM)).forward());
  const auto own = Ask(Direction::DIRECTION_OUTBOUND, Direction::VERB_SUBSCRIBE);
  EXPECT_TRUE(AppliedAgain(own, first, Item(v1::SUBSCRIPTION_FROM)).forward()) << "the contact's server knows it";
}

TEST(RepeatsTest, NothingIsPushedOfWhatIsRemoved) {
  const auto first = Change(v1::SUBSCRIPTION_NONE, v1::SUBSCRIPTION_FROM);
  EXPECT_TRUE(AppliedAgain(kGrant, first, Item(v1::SUBSCRIPTION_NONE)).push());
  EXPECT_FALSE(AppliedAgain(kGrant, first, kGone).push()) << "the removal told it";
  EXPECT_TRUE(SetAgain({}, kGone).removed());
  EXPECT_FALSE(SetAgain({}, Item(v1::SUBSCRIPTION_NONE)).removed());
}

}  // namespace
}  // namespace parley::roster

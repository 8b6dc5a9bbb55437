#include "services/roster/contacts/roster_rules.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace parley::roster {
namespace {

using Ask = v1::ApplySubscription;

v1::Item Wanted(const std::string& name, const std::vector<std::string>& groups) {
  v1::Item item;
  item.set_jid("romeo@other.example");
  item.set_name(name);
  for (const auto& group : groups) item.add_groups(group);
  return item;
}

v1::Item Absent() {
  v1::Item item;
  item.set_jid("romeo@other.example");
  return item;
}

Ask Verb(Ask::Direction direction, Ask::Verb verb) {
  Ask ask;
  ask.set_owner("juliet@home.example");
  ask.set_contact("romeo@other.example");
  ask.set_direction(direction);
  ask.set_verb(verb);
  return ask;
}

TEST(WithNameAndGroupsTest, SetsThemAndKeepsTheSubscription) {
  v1::Item before = Absent();
  before.set_subscription(v1::SUBSCRIPTION_BOTH);
  before.set_pending_in(true);
  const auto after = WithNameAndGroups(before, Wanted("Romeo", {"Friends", "Verona"}), {});
  ASSERT_TRUE(after);
  EXPECT_EQ(after->name(), "Romeo");
  EXPECT_EQ(after->groups_size(), 2);
  EXPECT_EQ(after->subscription(), v1::SUBSCRIPTION_BOTH);
  EXPECT_TRUE(after->pending_in());
  EXPECT_TRUE(after->in_roster());
}

// RFC 6121 2.3.3
TEST(WithNameAndGroupsTest, RefusesWhatTheServerDoesNotAccept) {
  const RosterLimits limits{.max_groups = 2, .max_name_bytes = 8};
  for (const auto& wanted : {Wanted("123456789", {}), Wanted("", {"a", "b", "c"}), Wanted("", {"a", "a"}),
                             Wanted("", {""}), Wanted("", {"123456789"})}) {
    const auto after = WithNameAndGroups(Absent(), wanted, limits);
    ASSERT_FALSE(after) << wanted.DebugString();
    EXPECT_EQ(after.error(), v1::PROBLEM_INVALID);
  }
  EXPECT_TRUE(WithNameAndGroups(Absent(), Wanted("12345678", {"a", "12345678"}), limits));
}

TEST(WithoutItemTest, ForgetsAllButAWaitingRequest) {
  v1::Item before = Wanted("Romeo", {"Friends"});
  before.set_in_roster(true);
  before.set_subscription(v1::SUBSCRIPTION_TO);
  before.set_pending_in(true);
  const auto after = WithoutItem(before);
  ASSERT_TRUE(after);
  v1::Item expected = Absent();
  expected.set_pending_in(true);
  EXPECT_EQ(after->SerializeAsString(), expected.SerializeAsString());
  EXPECT_EQ(WithoutItem(*after).error(), v1::PROBLEM_NO_ITEM);
}

TEST(WithSubscriptionTest, AskingPutsTheContactIntoTheRoster) {
  const auto change = WithSubscription(Absent(), Verb(Ask::DIRECTION_OUTBOUND, Ask::VERB_SUBSCRIBE), {});
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->forward());
  EXPECT_TRUE(change->push());
  EXPECT_TRUE(change->item().in_roster());
  EXPECT_TRUE(change->item().ask());
}

TEST(WithSubscriptionTest, BeingAskedDoesNotShowInTheRoster) {
  const auto change = WithSubscription(Absent(), Verb(Ask::DIRECTION_INBOUND, Ask::VERB_SUBSCRIBE), {});
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->forward());
  EXPECT_FALSE(change->push());
  EXPECT_FALSE(change->item().in_roster());
  EXPECT_TRUE(change->item().pending_in());
}

// RFC 6121 3.4.2
TEST(WithSubscriptionTest, PreApprovalMakesAnItemAndLetsTheServerAnswer) {
  const auto approved = WithSubscription(Absent(), Verb(Ask::DIRECTION_OUTBOUND, Ask::VERB_SUBSCRIBED), {});
  ASSERT_TRUE(approved);
  EXPECT_FALSE(approved->forward());
  EXPECT_TRUE(approved->push());
  EXPECT_TRUE(approved->item().approved());
  EXPECT_TRUE(approved->item().in_roster());
  const auto asked = WithSubscription(approved->item(), Verb(Ask::DIRECTION_INBOUND, Ask::VERB_SUBSCRIBE), {});
  ASSERT_TRUE(asked);
  EXPECT_TRUE(asked->auto_reply());
  EXPECT_FALSE(asked->forward());
  EXPECT_TRUE(asked->push());
  EXPECT_EQ(asked->item().subscription(), v1::SUBSCRIPTION_FROM);
  EXPECT_EQ(asked->before(), v1::SUBSCRIPTION_NONE);
}

TEST(WithSubscriptionTest, RefusesARequestTooBigToKeepAndNonsense) {
  auto ask = Verb(Ask::DIRECTION_INBOUND, Ask::VERB_SUBSCRIBE);
  ask.set_stanza(std::string(101, 'x'));
  EXPECT_EQ(WithSubscription(Absent(), ask, {.max_pending_bytes = 100}).error(), v1::PROBLEM_TOO_MANY);
  EXPECT_TRUE(WithSubscription(Absent(), ask, {.max_pending_bytes = 101}));
  EXPECT_EQ(WithSubscription(Absent(), Verb(Ask::DIRECTION_UNSPECIFIED, Ask::VERB_SUBSCRIBE), {}).error(),
            v1::PROBLEM_INVALID);
  EXPECT_EQ(WithSubscription(Absent(), Verb(Ask::DIRECTION_INBOUND, Ask::VERB_UNSPECIFIED), {}).error(),
            v1::PROBLEM_INVALID);
}

TEST(CheckCountsTest, RosterIsBoundedByBytesButMayShrink) {
  v1::Item before = Wanted("Romeo", {"Friends"});
  before.set_in_roster(true);
  EXPECT_EQ(SizeOf(before), 64u + 19 + 5 + 16 + 7);
  EXPECT_EQ(SizeOf(Absent()), 0u);
  v1::Item after = before;
  after.set_name("Montague");
  const RosterLimits limits{.max_bytes = 1000};
  EXPECT_EQ(CheckCounts(before, after, {.bytes = 997}, limits), std::nullopt);
  EXPECT_EQ(CheckCounts(before, after, {.bytes = 998}, limits), v1::PROBLEM_TOO_MANY);
  EXPECT_EQ(CheckCounts(after, before, {.bytes = 5000}, limits), std::nullopt) << "the limit was lowered";
}

TEST(CheckCountsTest, CountsOnlyWhatIsNew) {
  const RosterLimits limits{.max_items = 1, .max_pending_in = 1};
  const RosterCounts full{.items = 1, .pending_in = 1};
  v1::Item item = Absent();
  item.set_in_roster(true);
  EXPECT_EQ(CheckCounts(Absent(), item, full, limits), v1::PROBLEM_TOO_MANY);
  EXPECT_EQ(CheckCounts(item, item, full, limits), std::nullopt);
  v1::Item asked = Absent();
  asked.set_pending_in(true);
  EXPECT_EQ(CheckCounts(Absent(), asked, full, limits), v1::PROBLEM_TOO_MANY);
  EXPECT_EQ(CheckCounts(asked, asked, full, limits), std::nullopt);
  EXPECT_EQ(CheckCounts(Absent(), item, {}, limits), std::nullopt);
}

}  // namespace
}  // namespace parley::roster

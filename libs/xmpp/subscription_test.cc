#include "libs/xmpp/subscription.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace parley::xmpp {
namespace {

enum class Deliver { kMust, kMustNot };
constexpr Deliver kMust = Deliver::kMust;
constexpr Deliver kMustNot = Deliver::kMustNot;

// The names of RFC 6121 A.1.
const SubscriptionState kNone{};
const SubscriptionState kNoneOut{.pending_out = true};
const SubscriptionState kNoneIn{.pending_in = true};
const SubscriptionState kNoneOutIn{.pending_out = true, .pending_in = true};
const SubscriptionState kTo{.subscription = Subscription::kTo};
const SubscriptionState kToIn{.subscription = Subscription::kTo, .pending_in = true};
const SubscriptionState kFrom{.subscription = Subscription::kFrom};
const SubscriptionState kFromOut{.subscription = Subscription::kFrom, .pending_out = true};
const SubscriptionState kBoth{.subscription = Subscription::kBoth};

struct Row {
  SubscriptionState existing;
  Deliver deliver;
  SubscriptionState next;
};
using Table = std::vector<Row>;
using Machine = Transition (*)(const SubscriptionState&, Verb);

void Check(Machine machine, Verb verb, const Table& table) {
  ASSERT_EQ(table.size(), 9U);
  for (std::size_t row = 0; row < table.size(); ++row) {
    const Transition transition = machine(table[row].existing, verb);
    EXPECT_EQ(transition.forward, table[row].deliver == kMust) << "row " << row;
    EXPECT_TRUE(transition.next == table[row].next) << "row " << row;
  }
}

SubscriptionState Approved(SubscriptionState state) {
  state.approved = true;
  return state;
}

TEST(SubscriptionOutboundTest, A21Subscribe) {
  Check(Outbound, Verb::kSubscribe,
        {{kNone, kMust, kNoneOut},
         {kNoneOut, kMust, kNoneOut},
         {kNoneIn, kMust, kNoneOutIn},
         {kNoneOutIn, kMust, kNoneOutIn},
         {kTo, kMust, kTo},
         {kToIn, kMust, kToIn},
         {kFrom, kMust, kFromOut},
         {kFromOut, kMust, kFromOut},
         {kBoth, kMust, kBoth}});
}

TEST(SubscriptionOutboundTest, A22Unsubscribe) {
  Check(Outbound, Verb::kUnsubscribe,
        {{kNone, kMust, kNone},
         {kNoneOut, kMust, kNone},
         {kNoneIn, kMust, kNoneIn},
         {kNoneOutIn, kMust, kNoneIn},
         {kTo, kMust, kNone},
         {kToIn, kMust, kNoneIn},
         {kFrom, kMust, kFrom},
         {kFromOut, kMust, kFrom},
         {kBoth, kMust, kFrom}});
}

// "No state change" where there is nothing to approve, but for the pre-approval of section 3.4.2.
TEST(SubscriptionOutboundTest, A23Subscribed) {
  Check(Outbound, Verb::kSubscribed,
        {{kNone, kMustNot, Approved(kNone)},
         {kNoneOut, kMustNot, Approved(kNoneOut)},
         {kNoneIn, kMust, kFrom},
         {kNoneOutIn, kMust, kFromOut},
         {kTo, kMustNot, Approved(kTo)},
         {kToIn, kMust, kBoth},
         {kFrom, kMustNot, kFrom},
         {kFromOut, kMustNot, kFromOut},
         {kBoth, kMustNot, kBoth}});
}

TEST(SubscriptionOutboundTest, A24Unsubscribed) {
  Check(Outbound, Verb::kUnsubscribed,
        {{kNone, kMustNot, kNone},
         {kNoneOut, kMustNot, kNoneOut},
         {kNoneIn, kMust, kNone},
         {kNoneOutIn, kMust, kNoneOut},
         {kTo, kMustNot, kTo},
         {kToIn, kMust, kTo},
         {kFrom, kMust, kNone},
         {kFromOut, kMust, kNoneOut},
         {kBoth, kMust, kTo}});
}

TEST(SubscriptionInboundTest, A31Subscribe) {
  Check(Inbound, Verb::kSubscribe,
        {{kNone, kMust, kNoneIn},
         {kNoneOut, kMust, kNoneOutIn},
         {kNoneIn, kMustNot, kNoneIn},
         {kNoneOutIn, kMustNot, kNoneOutIn},
         {kTo, kMust, kToIn},
         {kToIn, kMustNot, kToIn},
         {kFrom, kMustNot, kFrom},
         {kFromOut, kMustNot, kFromOut},
         {kBoth, kMustNot, kBoth}});
}

TEST(SubscriptionInboundTest, A32Unsubscribe) {
  Check(Inbound, Verb::kUnsubscribe,
        {{kNone, kMustNot, kNone},
         {kNoneOut, kMustNot, kNoneOut},
         {kNoneIn, kMust, kNone},
         {kNoneOutIn, kMust, kNoneOut},
         {kTo, kMustNot, kTo},
         {kToIn, kMust, kTo},
         {kFrom, kMust, kNone},
         {kFromOut, kMust, kNoneOut},
         {kBoth, kMust, kTo}});
}

TEST(SubscriptionInboundTest, A33Subscribed) {
  Check(Inbound, Verb::kSubscribed,
        {{kNone, kMustNot, kNone},
         {kNoneOut, kMust, kTo},
         {kNoneIn, kMustNot, kNoneIn},
         {kNoneOutIn, kMust, kToIn},
         {kTo, kMustNot, kTo},
         {kToIn, kMustNot, kToIn},
         {kFrom, kMustNot, kFrom},
         {kFromOut, kMust, kBoth},
         {kBoth, kMustNot, kBoth}});
}

TEST(SubscriptionInboundTest, A34Unsubscribed) {
  Check(Inbound, Verb::kUnsubscribed,
        {{kNone, kMustNot, kNone},
         {kNoneOut, kMust, kNone},
         {kNoneIn, kMustNot, kNoneIn},
         {kNoneOutIn, kMust, kNoneIn},
         {kTo, kMust, kNone},
         {kToIn, kMust, kNoneIn},
         {kFrom, kMustNot, kFrom},
         {kFromOut, kMust, kFrom},
         {kBoth, kMust, kFrom}});
}

// RFC 6121 3.1.3: who is subscribed already gets `subscribed` from the server itself.
TEST(SubscriptionInboundTest, SubscribeIsAnsweredForTheUserWhereApproved) {
  for (const auto& state : {kFrom, kFromOut, kBoth}) EXPECT_TRUE(Inbound(state, Verb::kSubscribe).auto_reply);
  for (const auto& state : {kNone, kNoneOut, kNoneIn, kNoneOutIn, kTo, kToIn}) {
    EXPECT_FALSE(Inbound(state, Verb::kSubscribe).auto_reply);
  }
}

TEST(PreApprovalTest, AnswersTheFirstRequestAndIsUsedUp) {
  const std::vector<std::pair<SubscriptionState, SubscriptionState>> rows = {
      {kNone, kFrom}, {kNoneOut, kFromOut}, {kTo, kBoth}};
  for (const auto& [before, after] : rows) {
    const Transition transition = Inbound(Approved(before), Verb::kSubscribe);
    EXPECT_TRUE(transition.auto_reply);
    EXPECT_FALSE(transition.forward);
    EXPECT_TRUE(transition.next == after);
  }
}

// RFC 6121 3.2.1 case 2.
TEST(PreApprovalTest, IsTakenBackWithoutAWordToTheContact) {
  for (const auto& state : {kNone, kNoneOut, kTo}) {
    const Transition transition = Outbound(Approved(state), Verb::kUnsubscribed);
    EXPECT_FALSE(transition.forward);
    EXPECT_TRUE(transition.next == state);
  }
}

TEST(PreApprovalTest, StaysWhenOtherThingsHappen) {
  EXPECT_TRUE(Outbound(Approved(kNone), Verb::kSubscribe).next == Approved(kNoneOut));
  EXPECT_TRUE(Inbound(Approved(kNoneOut), Verb::kSubscribed).next == Approved(kTo));
  EXPECT_TRUE(Inbound(Approved(kTo), Verb::kUnsubscribed).next == Approved(kNone));
  EXPECT_TRUE(Inbound(Approved(kNone), Verb::kUnsubscribe).next == Approved(kNone));
  EXPECT_TRUE(Outbound(Approved(kTo), Verb::kUnsubscribe).next == Approved(kNone));
}

}  // namespace
}  // namespace parley::xmpp

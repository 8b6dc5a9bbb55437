#include "services/router/delivery_rules.h"

#include <gtest/gtest.h>

namespace parley::router {
namespace {

using enum Outcome;
constexpr auto kNormal = link::v1::TYPE_NORMAL;
constexpr auto kChat = link::v1::TYPE_CHAT;
constexpr auto kGroupchat = link::v1::TYPE_GROUPCHAT;
constexpr auto kHeadline = link::v1::TYPE_HEADLINE;
constexpr auto kError = link::v1::TYPE_ERROR;

struct Row {
  const char* section;
  Address address;
  Reach reach;
  link::v1::Type type;
  Outcome outcome;
};

// RFC 6121 8.5.4, row by row; where it allows silence or an error, ours is the error.
constexpr Row kTable[] = {
    {"no resources, bare", Address::kBare, Reach::kNoResource, kNormal, kStore},
    {"no resources, bare", Address::kBare, Reach::kNoResource, kChat, kStore},
    {"no resources, bare", Address::kBare, Reach::kNoResource, kGroupchat, kBounce},
    {"no resources, bare", Address::kBare, Reach::kNoResource, kHeadline, kIgnore},
    {"no resources, bare", Address::kBare, Reach::kNoResource, kError, kIgnore},
    {"no resources, full", Address::kResourceGone, Reach::kNoResource, kNormal, kBounce},
    {"no resources, full", Address::kResourceGone, Reach::kNoResource, kChat, kStore},
    {"no resources, full", Address::kResourceGone, Reach::kNoResource, kGroupchat, kBounce},
    {"no resources, full", Address::kResourceGone, Reach::kNoResource, kHeadline, kBounce},
    {"no resources, full", Address::kResourceGone, Reach::kNoResource, kError, kIgnore},
    {"negative only, bare", Address::kBare, Reach::kNegativeOnly, kNormal, kStore},
    {"negative only, bare", Address::kBare, Reach::kNegativeOnly, kChat, kStore},
    {"negative only, bare", Address::kBare, Reach::kNegativeOnly, kGroupchat, kBounce},
    {"negative only, bare", Address::kBare, Reach::kNegativeOnly, kHeadline, kIgnore},
    {"negative only, bare", Address::kBare, Reach::kNegativeOnly, kError, kIgnore},
    {"negative only, match", Address::kResourceHere, Reach::kNegativeOnly, kNormal, kDeliverThere},
    {"negative only, match", Address::kResourceHere, Reach::kNegativeOnly, kChat, kDeliverThere},
    {"negative only, match", Address::kResourceHere, Reach::kNegativeOnly, kGroupchat, kDeliverThere},
    {"negative only, match", Address::kResourceHere, Reach::kNegativeOnly, kHeadline, kDeliverThere},
    {"negative only, match", Address::kResourceHere, Reach::kNegativeOnly, kError, kDeliverThere},
    {"negative only, no match", Address::kResourceGone, Reach::kNegativeOnly, kNormal, kBounce},
    {"negative only, no match", Address::kResourceGone, Reach::kNegativeOnly, kChat, kStore},
    {"negative only, no match", Address::kResourceGone, Reach::kNegativeOnly, kGroupchat, kBounce},
    {"negative only, no match", Address::kResourceGone, Reach::kNegativeOnly, kHeadline, kBounce},
    {"negative only, no match", Address::kResourceGone, Reach::kNegativeOnly, kError, kIgnore},
    {"non-negative, bare", Address::kBare, Reach::kNonNegative, kNormal, kDeliverMostAvailable},
    {"non-negative, bare", Address::kBare, Reach::kNonNegative, kChat, kDeliverMostAvailable},
    {"non-negative, bare", Address::kBare, Reach::kNonNegative, kGroupchat, kBounce},
    {"non-negative, bare", Address::kBare, Reach::kNonNegative, kHeadline, kDeliverAll},
    {"non-negative, bare", Address::kBare, Reach::kNonNegative, kError, kIgnore},
    {"non-negative, match", Address::kResourceHere, Reach::kNonNegative, kNormal, kDeliverThere},
    {"non-negative, match", Address::kResourceHere, Reach::kNonNegative, kChat, kDeliverThere},
    {"non-negative, match", Address::kResourceHere, Reach::kNonNegative, kGroupchat, kDeliverThere},
    {"non-negative, match", Address::kResourceHere, Reach::kNonNegative, kHeadline, kDeliverThere},
    {"non-negative, match", Address::kResourceHere, Reach::kNonNegative, kError, kDeliverThere},
    {"non-negative, no match", Address::kResourceGone, Reach::kNonNegative, kNormal, kBounce},
    {"non-negative, no match", Address::kResourceGone, Reach::kNonNegative, kChat, kDeliverMostAvailable},
    {"non-negative, no match", Address::kResourceGone, Reach::kNonNegative, kGroupchat, kBounce},
    {"non-negative, no match", Address::kResourceGone, Reach::kNonNegative, kHeadline, kBounce},
    {"non-negative, no match", Address::kResourceGone, Reach::kNonNegative, kError, kIgnore},
    {"connected only, match", Address::kResourceHere, Reach::kNoResource, kChat, kDeliverThere},
};

TEST(DeliveryRulesTest, EveryRowOfTheTable) {
  for (const Row& row : kTable) {
    EXPECT_EQ(MessageRule(row.address, row.reach, row.type), row.outcome) << row.section << ", type " << row.type;
  }
}

TEST(DeliveryRulesTest, AnUnknownTypeIsNormal) {
  EXPECT_EQ(MessageRule(Address::kBare, Reach::kNonNegative, link::v1::TYPE_UNSPECIFIED), kDeliverMostAvailable);
}

}  // namespace
}  // namespace parley::router

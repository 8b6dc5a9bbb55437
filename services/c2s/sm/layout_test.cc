#include "services/c2s/sm/layout.h"

#include <gtest/gtest.h>

namespace parley::c2s {
namespace {

TEST(Layout, WhatHasAnElementOfItsOwnGoesWhenItIsAcknowledged) {
  Layout layout(7);
  layout.Add({{"", 1}, {"", 1}, {"", 1}});
  EXPECT_EQ(layout.length(), 4u);
  EXPECT_EQ(layout.Acknowledge(9), 2u);
  EXPECT_EQ(layout.length(), 2u);
  EXPECT_EQ(layout.skip(), 0u);
  EXPECT_EQ(layout.acked(), 9u);
}

TEST(Layout, WhatIsPackedGoesWhenAllOfItIsAcknowledged) {
  Layout layout;
  layout.Add({{"", 3}, {"", 2}});
  EXPECT_EQ(layout.Acknowledge(2), 0u);
  EXPECT_EQ(layout.skip(), 2u);
  EXPECT_EQ(layout.Acknowledge(4), 1u);
  EXPECT_EQ(layout.skip(), 1u);
  layout.Add({{"", 1}});
  EXPECT_EQ(layout.Acknowledge(6), 2u);
  EXPECT_EQ(layout.skip(), 0u);
  EXPECT_EQ(layout.length(), 1u);
}

TEST(Layout, GoesOnFromWhatWasRead) {
  session::QueueContents contents;
  contents.header.set_acked(12);
  contents.header.set_skip(2);
  contents.counts = {3, 1};
  Layout layout(contents);
  EXPECT_EQ(layout.length(), 3u);
  EXPECT_EQ(layout.Acknowledge(13), 1u);
  EXPECT_EQ(layout.skip(), 0u);
}

TEST(Layout, NumbersThatRiseLeaveItAsItIs) {
  Layout layout;
  layout.Add({{"", 3}});
  layout.Acknowledge(1);
  layout.Renumber(10);
  EXPECT_EQ(layout.acked(), 11u);
  EXPECT_EQ(layout.skip(), 1u);
  EXPECT_EQ(layout.Acknowledge(13), 1u);
}

}  // namespace
}  // namespace parley::c2s

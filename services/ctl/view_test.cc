#include "services/ctl/view.h"

#include <gmock/gmock.h>

namespace parley::ctl {
namespace {

using ::testing::ElementsAre;

void Add(admin::v1::ListMembersResponse& view, const std::string& service, const std::string& instance,
         const std::string& version, std::uint64_t waiting) {
  auto& member = *view.add_members();
  member.set_service(service);
  member.set_instance(instance);
  member.set_version(version);
  member.set_waiting(waiting);
}

TEST(ViewTest, WhatWaitsAtSeveralRoutersIsTheirSum) {
  admin::v1::ListMembersResponse view, other;
  Add(view, "c2s", "c2s-1", "", 3);
  Add(view, "router", "router-1", "0.2.0", 5);
  Add(other, "c2s", "c2s-1", "0.1.0", 4);
  Add(other, "router", "router-1", "0.2.0", 1);
  Add(other, "roster", "roster-1", "0.2.0", 2);
  Merge(view, other);
  ASSERT_EQ(view.members_size(), 3);
  EXPECT_EQ(view.members(0).waiting(), 7u);
  EXPECT_EQ(view.members(0).version(), "0.1.0") << "the first was not linked to it";
  EXPECT_EQ(view.members(1).waiting(), 6u);
  EXPECT_EQ(view.members(2).instance(), "roster-1");
}

TEST(ViewTest, VersionsAreThoseOfAllMembers) {
  admin::v1::ListMembersResponse view;
  Add(view, "c2s", "c2s-1", "0.2.0", 0);
  Add(view, "router", "router-1", "0.2.0", 0);
  EXPECT_THAT(VersionsIn(view), ElementsAre("0.2.0"));
  Add(view, "roster", "roster-1", "", 0);
  EXPECT_THAT(VersionsIn(view), ElementsAre("0.2.0", kUnknownVersion)) << "a release that does not say is another";
}

TEST(ViewTest, ALeaseThatIsOverIsShownAsExpired) {
  admin::v1::Member member;
  member.set_lease_ms(2500);
  EXPECT_EQ(LeaseOf(member), "2500 ms");
  member.set_lease_ms(-14082);
  EXPECT_EQ(LeaseOf(member), "expired");
}

}  // namespace
}  // namespace parley::ctl

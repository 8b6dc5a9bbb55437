#pragma once

#include <set>
#include <string>

#include "parley/admin/v1/admin.pb.h"

namespace parley::ctl {

inline constexpr char kUnknownVersion[] = "unknown";

// What several routers say of the same members, put together: each knows what it holds for the others, the releases of
// those that it is linked to, and how much waits in itself.
void Merge(admin::v1::ListMembersResponse& view, const admin::v1::ListMembersResponse& of_another);
std::string VersionOf(const admin::v1::Member& member);
std::string LeaseOf(const admin::v1::Member& member);
// More than one: a rollout is under way, or stuck.
std::set<std::string> VersionsIn(const admin::v1::ListMembersResponse& view);

}  // namespace parley::ctl

#include "services/ctl/view.h"

#include <algorithm>

namespace parley::ctl {

void Merge(admin::v1::ListMembersResponse& view, const admin::v1::ListMembersResponse& of_another) {
  auto& members = *view.mutable_members();
  for (const auto& other : of_another.members()) {
    const auto known = std::find_if(members.begin(), members.end(), [&](const auto& member) {
      return member.service() == other.service() && member.instance() == other.instance();
    });
    if (known == members.end()) {
      *members.Add() = other;
      continue;
    }
    known->set_waiting(known->waiting() + other.waiting());
    if (known->version().empty()) known->set_version(other.version());
  }
}

std::string VersionOf(const admin::v1::Member& member) {
  return member.version().empty() ? kUnknownVersion : member.version();
}

std::string LeaseOf(const admin::v1::Member& member) {
  return member.lease_ms() < 0 ? "expired" : std::to_string(member.lease_ms()) + " ms";
}

std::set<std::string> VersionsIn(const admin::v1::ListMembersResponse& view) {
  std::set<std::string> versions;
  for (const auto& member : view.members()) versions.insert(VersionOf(member));
  return versions;
}

}  // namespace parley::ctl

#include "services/ctl/status.h"

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/output.h"
#include "services/ctl/targets.h"
#include "services/ctl/view.h"

namespace parley::ctl {
namespace {

namespace pb = admin::v1;

constexpr char kRouter[] = "router";
constexpr char kEdge[] = "c2s";
constexpr std::chrono::seconds kLimit{30};

pb::ListMembersResponse AskOne(const std::vector<std::string>& routers) {
  pb::Admin::Stub stub(Connect(routers, kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  pb::ListMembersResponse response;
  Check(stub.ListMembers(&context, {}, &response), kRouter);
  return response;
}

// One that cannot be reached from here is left out.
pb::ListMembersResponse AskAll(const Options& options) {
  const auto first = AskOne(Routers(options));
  auto view = first;
  for (const auto& member : first.members()) {
    if (member.service() != kRouter || member.address().empty()) continue;  // the first has no address of its own
    try {
      Merge(view, AskOne({member.address()}));
    } catch (const Failure& failure) {
      std::cerr << "parleyctl: what waits at " << member.instance() << " is not known: " << failure.what() << std::endl;
    }
  }
  return view;
}

nlohmann::json ToJson(const pb::Member& member) {
  return {{"service", member.service()},   {"instance", member.instance()}, {"state", member.state()},
          {"version", member.version()},   {"address", member.address()},   {"sessions", member.sessions()},
          {"lease_ms", member.lease_ms()}, {"waiting", member.waiting()}};
}

std::vector<std::string> ToRow(const pb::Member& member) {
  const bool edge = member.service() == kEdge;
  return {member.service(),
          member.instance(),
          member.state(),
          VersionOf(member),
          edge ? std::to_string(member.sessions()) : "-",
          std::to_string(member.waiting()),
          edge ? LeaseOf(member) : "-"};
}

std::uint64_t SessionsIn(const pb::ListMembersResponse& view) {
  std::uint64_t sessions = 0;
  for (const auto& member : view.members()) sessions += member.sessions();
  return sessions;
}

void PrintJson(const pb::ListMembersResponse& view) {
  auto members = nlohmann::json::array();
  for (const auto& member : view.members()) members.push_back(ToJson(member));
  const nlohmann::json json{{"members", members},
                            {"versions", VersionsIn(view)},
                            {"sessions", SessionsIn(view)},
                            {"orphans", view.orphans()},
                            {"bans", view.bans()}};
  std::cout << json.dump(2) << std::endl;
}

void PrintTable(const pb::ListMembersResponse& view) {
  Table table({"SERVICE", "INSTANCE", "STATE", "VERSION", "SESSIONS", "WAITING", "LEASE"});
  for (const auto& member : view.members()) table.Add(ToRow(member));
  table.Print();
  std::cout << SessionsIn(view) << " sessions, " << view.orphans() << " without an edge that may yet be resumed, "
            << view.bans() << " bans" << std::endl;
  const auto versions = VersionsIn(view);
  if (versions.size() < 2) return;
  std::cout << "releases differ:";
  for (const auto& version : versions) std::cout << " " << version;
  std::cout << "; finish the rollout, or undo it" << std::endl;
}

}  // namespace

void Status(const Options& options) {
  const auto view = AskAll(options);
  options.json ? PrintJson(view) : PrintTable(view);
  std::map<std::string, int> services{{kEdge, 0}, {kRouter, 0}, {"roster", 0}};
  for (const auto& member : view.members()) ++services[member.service()];
  for (const auto& [service, count] : services) {
    if (count == 0) throw Failure(kRefused, "no " + service + " is there");
  }
}

}  // namespace parley::ctl

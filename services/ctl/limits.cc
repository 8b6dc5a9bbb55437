#include "services/ctl/limits.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "libs/net/address_range.h"
#include "libs/xmpp/jid.h"
#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/output.h"
#include "services/ctl/targets.h"

namespace parley::ctl {
namespace {

namespace pb = admin::v1;

constexpr char kRouter[] = "router";
constexpr std::chrono::seconds kLimit{60};

std::string Rate(std::uint64_t per, const std::string& unit, std::uint64_t burst) {
  if (per == 0) return "no limit";
  return std::to_string(per) + " " + unit + (burst == 0 ? "" : ", at once " + std::to_string(burst));
}

// Of the configuration: the counters are in the memory of each edge.
std::vector<std::vector<std::string>> OfAddress(const config::C2s& c2s) {
  return {{"connections", std::to_string(c2s.max_connections_per_address) + " on each edge"},
          {"connecting",
           Rate(c2s.connections_per_second_per_address, "a second on each edge", c2s.connections_burst_per_address)},
          {"failed logins", Rate(c2s.auth_failures_per_minute_per_address, "a minute on each edge", 0)},
          {"registrations", Rate(c2s.registrations_per_minute_per_address, "a minute on each edge", 0)}};
}

std::vector<std::vector<std::string>> OfUser(const config::Config& config) {
  const auto& c2s = config.c2s;
  return {{"stanzas", Rate(c2s.stanzas_per_second, "a second for each session", c2s.stanzas_burst)},
          {"bytes", Rate(c2s.bytes_per_second, "a second for each session", c2s.bytes_burst)},
          {"stanza size", std::to_string(c2s.max_stanza_bytes) + " bytes"},
          {"sessions", std::to_string(config.router.max_resources_per_account)},
          {"roster", std::to_string(config.roster.max_items) + " contacts"},
          {"offline messages", std::to_string(config.roster.max_offline_messages)}};
}

std::uint64_t CountSessions(pb::Admin::Stub& stub, const std::string& account, const std::string& address) {
  pb::ListSessionsRequest request;
  request.set_account(account);
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  const auto stream = stub.ListSessions(&context, request);
  std::uint64_t count = 0;
  for (pb::SessionRow row; stream->Read(&row);) {
    if (address.empty() || row.record().address() == address) ++count;
  }
  Check(stream->Finish(), kRouter);
  return count;
}

std::string BanOf(pb::Admin::Stub& stub, const std::string& address) {
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  pb::ListBansResponse response;
  Check(stub.ListBans(&context, {}, &response), kRouter);
  for (const auto& ban : response.bans()) {
    net::AddressRanges set;
    if (const auto network = net::AddressRange::Parse(ban.network())) set.Add(*network);
    if (!set.Contains(address)) continue;
    return ban.network() + (ban.expires_at() == 0 ? "" : " until " + Time(ban.expires_at()));
  }
  return "no";
}

}  // namespace

void ShowLimits(const Options& options) {
  const auto config = Configuration(options);
  pb::Admin::Stub stub(Connect(Routers(options), kRouter));
  std::vector<std::vector<std::string>> rows;
  if (net::AddressRange::Parse(options.jid)) {
    rows = OfAddress(config.c2s);
    rows.insert(rows.begin(), {"sessions now", std::to_string(CountSessions(stub, {}, options.jid))});
    rows.insert(rows.begin(), {"banned", BanOf(stub, options.jid)});
  } else {
    const auto jid = xmpp::Jid::Parse(options.jid);
    if (!jid || jid->local().empty()) throw Failure(kRefused, "'" + options.jid + "' is neither an address nor a user");
    rows = OfUser(config);
    rows.insert(rows.begin(), {"sessions now", std::to_string(CountSessions(stub, std::string(jid->bare()), {}))});
  }
  Table table({"LIMIT", "VALUE"});
  auto json = nlohmann::json::object();
  for (auto& row : rows) {
    json[row[0]] = row[1];
    table.Add(std::move(row));
  }
  if (options.json) {
    std::cout << json.dump(2) << std::endl;
  } else {
    table.Print();
  }
}

}  // namespace parley::ctl

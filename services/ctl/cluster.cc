#include "services/ctl/cluster.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "libs/xmpp/jid.h"
#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/output.h"
#include "services/ctl/targets.h"

namespace parley::ctl {
namespace {

namespace pb = admin::v1;
using Record = session::v1::Record;

constexpr char kRouter[] = "router";
constexpr std::chrono::seconds kLimit{60};

xmpp::Jid AddressOf(const std::string& text) {
  auto jid = xmpp::Jid::Parse(text);
  if (!jid) throw Failure(kRefused, "'" + text + "' is not a JID: write user@domain or user@domain/resource");
  return *jid;
}

nlohmann::json ToJson(const std::string& jid, const pb::SessionRow& row) {
  const Record& record = row.record();
  return {{"jid", jid},
          {"session", record.session()},
          {"node", record.node()},
          {"address", record.address()},
          {"mechanism", record.mechanism()},
          {"available", row.available()},
          {"priority", record.priority()},
          {"resumable", record.resume_ms() != 0},
          {"orphaned", record.away_since() != 0},
          {"since", Time(record.bound_at())}};
}

std::vector<std::string> ToRow(const std::string& jid, const pb::SessionRow& row) {
  const Record& record = row.record();
  return {jid,
          record.node(),
          record.address(),
          record.mechanism(),
          row.available() ? std::to_string(record.priority()) : "-",
          Time(record.bound_at())};
}

std::vector<pb::SessionRow> FetchSessions(const Options& options) {
  pb::ListSessionsRequest request;
  request.set_limit(options.limit);
  const auto jid = options.jid.empty() ? xmpp::Jid() : AddressOf(options.jid);
  if (jid.local().empty()) {
    request.set_domain(std::string(jid.domain()));
  } else {
    request.set_account(std::string(jid.bare()));
  }
  const auto stub = pb::Admin::NewStub(Connect(Routers(options), kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  const auto stream = stub->ListSessions(&context, request);
  std::vector<pb::SessionRow> rows;
  for (pb::SessionRow row; stream->Read(&row);) {
    if (!jid.is_full() || jid.resource() == row.record().resource()) rows.push_back(row);
  }
  Check(stream->Finish(), kRouter);
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::forward_as_tuple(a.account(), a.record().resource()) <
           std::forward_as_tuple(b.account(), b.record().resource());
  });
  return rows;
}

}  // namespace

void ListSessions(const Options& options) {
  Table table({"JID", "NODE", "ADDRESS", "MECHANISM", "PRIORITY", "SINCE"});
  auto json = nlohmann::json::array();
  for (const auto& row : FetchSessions(options)) {
    const auto jid = row.account() + "/" + row.record().resource();
    json.push_back(ToJson(jid, row));
    table.Add(ToRow(jid, row));
  }
  if (options.json) {
    std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  } else {
    table.Print();
  }
}

void KickSessions(const Options& options) {
  const auto jid = AddressOf(options.jid);
  if (jid.local().empty()) throw Failure(kRefused, "name an account: user@domain or user@domain/resource");
  pb::KickSessionsRequest request;
  request.set_account(std::string(jid.bare()));
  request.set_resource(std::string(jid.resource()));
  const auto stub = pb::Admin::NewStub(Connect(Routers(options), kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  pb::KickSessionsResponse response;
  Check(stub->KickSessions(&context, request, &response), kRouter);
  if (response.kicked() == 0) throw Failure(kRefused, "no session of " + jid.str() + " is connected");
  if (options.json) {
    std::cout << nlohmann::json{{"jid", jid.str()}, {"kicked", response.kicked()}}.dump() << std::endl;
  } else {
    std::cout << "ended " << response.kicked() << (response.kicked() == 1 ? " session of " : " sessions of ")
              << jid.str() << std::endl;
  }
}

void ListMembers(const Options& options) {
  const auto stub = pb::Admin::NewStub(Connect(Routers(options), kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  pb::ListMembersResponse response;
  Check(stub->ListMembers(&context, {}, &response), kRouter);
  Table table({"SERVICE", "INSTANCE", "STATE", "ADDRESS", "SESSIONS", "EPOCH"});
  auto json = nlohmann::json::array();
  for (const auto& member : response.members()) {
    json.push_back({{"service", member.service()},
                    {"instance", member.instance()},
                    {"state", member.state()},
                    {"version", member.version()},
                    {"address", member.address()},
                    {"sessions", member.sessions()},
                    {"epoch", member.epoch()}});
    const bool edge = member.service() == "c2s";
    table.Add({member.service(), member.instance(), member.state(), member.address(),
               edge ? std::to_string(member.sessions()) : "-", member.epoch()});
  }
  if (options.json) {
    std::cout << json.dump(2) << std::endl;
  } else {
    table.Print();
  }
}

}  // namespace parley::ctl

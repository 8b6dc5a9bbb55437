#include "services/ctl/orders.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/output.h"
#include "services/ctl/targets.h"

namespace parley::ctl {
namespace {

namespace pb = admin::v1;

constexpr char kRouter[] = "router";
constexpr std::chrono::seconds kLimit{30};

template <class Request, class Response>
Response Call(const Options& options,
              grpc::Status (pb::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
  pb::Admin::Stub stub(Connect(Routers(options), kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  Response response;
  Check((stub.*method)(&context, request, &response), kRouter);
  return response;
}

void CheckFailure(const std::string& what, const std::string& failure) {
  if (!failure.empty()) throw Failure(kRefused, what + ": " + failure);
}

void Order(const Options& options, bool undrain) {
  pb::DrainNodeRequest request;
  request.set_instance(options.instance);
  request.set_undrain(undrain);
  CheckFailure(options.instance, Call(options, &pb::Admin::Stub::DrainNode, request).failure());
  std::cout << options.instance
            << (undrain ? " takes clients again" : " sends its clients elsewhere: watch it with 'parleyctl status'")
            << std::endl;
}

pb::BanResponse ChangeBan(const Options& options, bool lift) {
  pb::BanRequest request;
  request.set_network(options.network);
  request.set_seconds(options.seconds);
  request.set_lift(lift);
  auto response = Call(options, &pb::Admin::Stub::Ban, request);
  CheckFailure(options.network, response.failure());
  return response;
}

}  // namespace

void DrainNode(const Options& options) { Order(options, false); }
void UndrainNode(const Options& options) { Order(options, true); }

void Ban(const Options& options) {
  const auto response = ChangeBan(options, false);
  std::cout << (response.changed() ? "banned " : "was banned already, changed how long: ") << response.network()
            << std::endl;
}

void Unban(const Options& options) {
  const auto response = ChangeBan(options, true);
  if (!response.changed()) throw Failure(kRefused, response.network() + " is not banned: see 'parleyctl bans'");
  std::cout << "no longer banned: " << response.network() << std::endl;
}

void ListBans(const Options& options) {
  const auto response = Call(options, &pb::Admin::Stub::ListBans, pb::ListBansRequest());
  CheckFailure("bans", response.failure());
  Table table({"NETWORK", "UNTIL"});
  auto json = nlohmann::json::array();
  for (const auto& ban : response.bans()) {
    json.push_back({{"network", ban.network()}, {"until", Time(ban.expires_at())}});
    table.Add({ban.network(), Time(ban.expires_at())});
  }
  if (options.json) {
    std::cout << json.dump(2) << std::endl;
  } else {
    table.Print();
  }
}

}  // namespace parley::ctl

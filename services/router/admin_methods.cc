#include "services/router/admin_methods.h"

#include <utility>

#include "services/router/admin_api.h"

namespace parley::router {
namespace {

namespace pb = admin::v1;

using Use = rpc::Permission::Use;

void ListSessions(AdminApi& api, const pb::ListSessionsRequest& request, rpc::Methods::Writer<pb::SessionRow> writer) {
  const auto row = [writer](const pb::SessionRow& session) mutable { return writer.Write(session); };
  const auto done = [writer](const std::string& failure) mutable {
    failure.empty() ? writer.Finish() : writer.Fail(failure);
  };
  api.ListSessions(request, row, done);
}

}  // namespace

rpc::Methods AdminMethods(AdminApi& api) {
  rpc::Methods methods;
  methods.Listing<pb::ListSessionsRequest, pb::SessionRow>(
      "/parley.admin.v1.Admin/ListSessions",
      [&api](const auto& request, auto writer) { ListSessions(api, request, std::move(writer)); });
  methods.Unary<pb::KickSessionsRequest, pb::KickSessionsResponse>(
      "/parley.admin.v1.Admin/KickSessions",
      [&api](const auto& request, auto respond) { api.KickSessions(request, std::move(respond)); });
  methods.Unary<pb::RemoveAccountRequest, pb::RemoveAccountResponse>(
      "/parley.admin.v1.Admin/RemoveAccount",
      [&api](const auto& request, auto respond) { api.RemoveAccount(request.account(), std::move(respond)); });
  methods.Unary<pb::ListMembersRequest, pb::ListMembersResponse>(
      "/parley.admin.v1.Admin/ListMembers", [&api](const auto&, auto respond) { api.ListMembers(std::move(respond)); });
  methods.Unary<pb::DrainNodeRequest, pb::DrainNodeResponse>(
      "/parley.admin.v1.Admin/DrainNode",
      [&api](const auto& request, auto respond) { api.DrainNode(request, std::move(respond)); });
  methods.Unary<pb::BanRequest, pb::BanResponse>(
      "/parley.admin.v1.Admin/Ban",
      [&api](const auto& request, auto respond) { api.Ban(request, std::move(respond)); });
  methods.Unary<pb::ListBansRequest, pb::ListBansResponse>(
      "/parley.admin.v1.Admin/ListBans", [&api](const auto&, auto respond) { api.ListBans(std::move(respond)); });
  methods.PermitLinks({"c2s", "router"});
  methods.Permit("/parley.admin.v1.Admin/ListSessions", {Use::kLook, {rpc::kViewer}});
  methods.Permit("/parley.admin.v1.Admin/ListMembers", {Use::kLook, {rpc::kViewer}});
  methods.Permit("/parley.admin.v1.Admin/ListBans", {Use::kLook, {rpc::kViewer}});
  return methods;
}

}  // namespace parley::router

#pragma once

#include <functional>
#include <string>

#include "libs/base/result.h"
#include "parley/admin/v1/admin.pb.h"

namespace parley::router {

// What operators ask of a router (proto/parley/admin/v1), between its gRPC side and its Asio side. Loop's thread only.
class AdminApi {
 public:
  // `row` for each session, then `done` with why it ended early, if it did. `row` returns false when there is nobody to
  // listen any more.
  using Row = std::function<bool(admin::v1::SessionRow)>;
  using Done = std::function<void(std::string failure)>;
  virtual void ListSessions(const admin::v1::ListSessionsRequest& request, Row row, Done done) = 0;
  virtual void KickSessions(const admin::v1::KickSessionsRequest& request,
                            std::function<void(admin::v1::KickSessionsResponse)> done) = 0;
  virtual void RemoveAccount(const std::string& account,
                             std::function<void(admin::v1::RemoveAccountResponse)> done) = 0;
  virtual void ListMembers(std::function<void(admin::v1::ListMembersResponse)> done) = 0;
  virtual void DrainNode(const admin::v1::DrainNodeRequest& request,
                         std::function<void(admin::v1::DrainNodeResponse)> done) = 0;
  virtual void Ban(const admin::v1::BanRequest& request, std::function<void(admin::v1::BanResponse)> done) = 0;
  virtual void ListBans(std::function<void(admin::v1::ListBansResponse)> done) = 0;
  // XEP-0133: a message to all who have a session in the domain. `done` gets how many accounts, before they have it.
  virtual void Announce(const std::string& domain, const std::string& text,
                        std::function<void(Result<std::size_t>)> done) = 0;

 protected:
  ~AdminApi() = default;
};

}  // namespace parley::router

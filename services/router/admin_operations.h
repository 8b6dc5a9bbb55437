#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "libs/storage/redis.h"
#include "parley/admin/v1/admin.pb.h"
#include "services/router/account_removal.h"
#include "services/router/account_table.h"
#include "services/router/admin_api.h"
#include "services/router/edges.h"
#include "services/router/nodes.h"
#include "services/router/peers.h"
#include "services/router/roster_client.h"
#include "services/router/sender.h"
#include "services/router/session_store.h"

namespace parley::router {

// Any router can answer.
class AdminOperations final : public AdminApi {
 public:
  struct Parts {
    Tasks& tasks;
    storage::Redis& redis;
    SessionStore& store;
    Nodes& nodes;
    Edges& edges;
    Sender& sender;
    AccountTable& accounts;
    Peers& peers;
    RosterClient& rosters;
    AccountRemoval& removal;
    rpc::Self self;
  };
  AdminOperations(const Parts& parts, const Options& options) : parts_(parts), options_(options) {}

  void ListSessions(const admin::v1::ListSessionsRequest& request, Row row, Done done) override;
  void KickSessions(const admin::v1::KickSessionsRequest& request,
                    std::function<void(admin::v1::KickSessionsResponse)> done) override;
  void RemoveAccount(const std::string& account, std::function<void(admin::v1::RemoveAccountResponse)> done) override;
  void ListMembers(std::function<void(admin::v1::ListMembersResponse)> done) override;
  void DrainNode(const admin::v1::DrainNodeRequest& request,
                 std::function<void(admin::v1::DrainNodeResponse)> done) override;
  void Ban(const admin::v1::BanRequest& request, std::function<void(admin::v1::BanResponse)> done) override;
  void ListBans(std::function<void(admin::v1::ListBansResponse)> done) override;
  void Announce(const std::string& domain, const std::string& text,
                std::function<void(Result<std::size_t>)> done) override;

 private:
  class Listing;
  Task<void> List(admin::v1::ListSessionsRequest request, Row row, Done done);
  Task<bool> ListNode(Listing& listing, Nodes::Node node);
  Task<bool> ListAccount(Listing& listing, std::string account);
  Task<void> SendToAll(std::string domain, std::string text, std::function<void(Result<std::size_t>)> done);
  Task<void> Remove(Account& account, std::function<void(admin::v1::RemoveAccountResponse)> done);
  // What Redis knows of one edge.
  Task<admin::v1::Member> Edge(Nodes::Node node);
  Task<std::uint64_t> Count(std::vector<std::string> words);
  Task<std::uint64_t> CountOrphans(std::set<std::string> alive);
  Task<void> Members(std::function<void(admin::v1::ListMembersResponse)> done);
  void Kick(const std::string& account, const std::string& resource, const std::string& condition,
            std::function<void(std::uint32_t)> done);

  Parts parts_;
  Options options_;
};

}  // namespace parley::router

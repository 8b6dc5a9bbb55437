#include "libs/base/version.h"
#include "libs/rpc/unary_client.h"
#include "parley/admin/v1/admin.pb.h"
#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using admin::v1::BanRequest;
using admin::v1::BanResponse;
using admin::v1::DrainNodeRequest;
using admin::v1::DrainNodeResponse;
using admin::v1::ListBansRequest;
using admin::v1::ListBansResponse;
using admin::v1::ListMembersRequest;
using admin::v1::ListMembersResponse;
using testing::Client;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;

class AdminTest : public testing::ClusterTest {
 protected:
  template <class Response, class Request>
  Response Call(const std::string& method, const Request& request, std::size_t router = 0) {
    rpc::UnaryClient::Options options;
    options.discovery.targets = {address(router)};
    rpc::UnaryClient client(loop_, options);
    std::optional<Response> response;
    client.Call<Response>("/parley.admin.v1.Admin/" + method, request, std::chrono::seconds(10),
                          [&](Result<Response> answer) {
                            EXPECT_TRUE(answer) << answer.error().message();
                            response = answer ? *answer : Response();
                          });
    RunUntil([&] { return response.has_value(); });
    return response.value_or(Response());
  }

  ListMembersResponse AwaitMembers(int count) {
    ListMembersResponse response;
    while (response.members_size() < count && !HasFailure()) {  // leases are read every now and then
      response = Call<ListMembersResponse>("ListMembers", ListMembersRequest());
    }
    return response;
  }
};

TEST_F(AdminTest, KickEndsSessionsWhereverTheirHomeIs) {
  Configure(2);
  Client& orchard = Online("romeo@home.example/orchard");
  Client& street = Online("romeo@home.example/street");
  for (std::size_t router : {0, 1}) {
    admin::v1::KickSessionsRequest request;
    request.set_account("romeo@home.example");
    request.set_resource(router == 0 ? "orchard" : "");
    const auto response = Call<admin::v1::KickSessionsResponse>("KickSessions", request, router);
    EXPECT_EQ(response.kicked(), 1);
  }
  RunUntil([&] { return !orchard.disconnected().empty() && !street.disconnected().empty(); });
  Settle();
  EXPECT_EQ(Redis({"EXISTS", "parley:s:{romeo@home.example}"}), "0");
}

TEST_F(AdminTest, RemoveAccountWorksFromAnyRouter) {
  Configure(2);
  roster_->Befriend("romeo@home.example", "juliet@home.example", xmpp::Subscription::kBoth);
  Client& romeo = Online("romeo@home.example/orchard");
  Client& juliet = Online("juliet@home.example/balcony");
  for (const auto& [name, router] : {std::pair("romeo@home.example", 0), std::pair("juliet@home.example", 0)}) {
    admin::v1::RemoveAccountRequest request;
    request.set_account(name);
    const auto response = Call<admin::v1::RemoveAccountResponse>("RemoveAccount", request, router);
    EXPECT_TRUE(response.existed());
    EXPECT_EQ(response.failure(), "");
    EXPECT_FALSE(Call<admin::v1::RemoveAccountResponse>("RemoveAccount", request, router).existed());
  }
  RunUntil([&] { return romeo.disconnected() == "not-authorized" && juliet.disconnected() == "not-authorized"; });
}

TEST_F(AdminTest, RemoveAccountFailsWholeWithoutTheStore) {
  Client& romeo = Online("romeo@home.example/orchard");
  roster_->SetBroken(true);
  admin::v1::RemoveAccountRequest request;
  request.set_account("romeo@home.example");
  const auto response = Call<admin::v1::RemoveAccountResponse>("RemoveAccount", request);
  EXPECT_FALSE(response.existed());
  EXPECT_NE(response.failure(), "");
  EXPECT_EQ(romeo.disconnected(), "");
}

TEST_F(AdminTest, OrdersThatRedisRefusesSayItsAnswer) {
  Configure(1);
  Online("romeo@home.example/orchard");
  AwaitMembers(3);
  BanRequest ban;
  ban.set_network("192.0.2.7");
  DrainNodeRequest drain;
  drain.set_instance("c2s-1");
  Redis({"CONFIG", "SET", "min-replicas-to-write", "1"});
  for (const bool undone : {false, true}) {
    ban.set_lift(undone);
    drain.set_undrain(undone);
    EXPECT_THAT(Call<BanResponse>("Ban", ban).failure(), StartsWith("Redis refuses it: NOREPLICAS"));
    EXPECT_THAT(Call<DrainNodeResponse>("DrainNode", drain).failure(), StartsWith("Redis refuses it: NOREPLICAS"));
  }
  Redis({"ACL", "SETUSER", "router-1", "-zrange"});
  EXPECT_THAT(Call<ListBansResponse>("ListBans", ListBansRequest()).failure(), StartsWith("Redis refuses it: NOPERM"));
}

TEST_F(AdminTest, OrdersWithoutRedisSaySo) {
  Configure(1);
  Start();
  CutFromRedis(0);
  BanRequest ban;
  ban.set_network("192.0.2.7");
  EXPECT_THAT(Call<BanResponse>("Ban", ban).failure(), StartsWith("Redis cannot be reached: "));
}

TEST_F(AdminTest, MembersAreEdgesRoutersAndRosters) {
  Configure(2);
  Start();
  Online("romeo@home.example/orchard");
  const auto response = AwaitMembers(4);
  std::map<std::string, std::uint64_t> members;
  for (const auto& member : response.members()) {
    members[member.instance()] = member.sessions();
    EXPECT_EQ(member.version(), Version()) << member.instance();
  }
  EXPECT_THAT(members, ::testing::UnorderedElementsAre(::testing::Pair("c2s-1", 1), ::testing::Pair("router-1", 0),
                                                       ::testing::Pair("router-2", 0), ::testing::Pair("roster-1", 0)));
}

}  // namespace
}  // namespace parley::router

#include "libs/base/version.h"
#include "libs/rpc/unary_client.h"
#include "parley/admin/v1/admin.pb.h"
#include "services/router/testing/cluster.h"

namespace parley::router {
namespace {

using testing::Client;
using ::testing::ElementsAre;
using ::testing::SizeIs;

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

TEST_F(AdminTest, MembersAreEdgesRoutersAndRosters) {
  Configure(2);
  Start();
  Online("romeo@home.example/orchard");
  admin::v1::ListMembersResponse response;
  while (response.members_size() < 4 && !HasFailure()) {  // leases are read every now and then
    response = Call<admin::v1::ListMembersResponse>("ListMembers", admin::v1::ListMembersRequest());
  }
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

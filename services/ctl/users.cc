#include "services/ctl/users.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "parley/accounts/v1/accounts.grpc.pb.h"
#include "parley/admin/v1/admin.grpc.pb.h"
#include "services/ctl/channel.h"
#include "services/ctl/failure.h"
#include "services/ctl/output.h"
#include "services/ctl/password.h"
#include "services/ctl/problems.h"
#include "services/ctl/targets.h"

namespace parley::ctl {
namespace {

namespace pb = accounts::v1;

constexpr char kRoster[] = "roster service";
constexpr char kRouter[] = "router";
constexpr std::chrono::seconds kLimit{30};
constexpr std::chrono::seconds kRemovalLimit{120};  // a big roster's contacts are all told
constexpr std::uint32_t kPage = 1000;

using Stub = pb::Accounts::Stub;

// One call; throws Failure if it was not made or refused.
template <class Request, class Response>
Response Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
  grpc::ClientContext context;
  SetDeadline(context, kLimit);
  Response response;
  Check((stub.*method)(&context, request, &response), kRoster);
  return response;
}

template <class Request>
Request WithPassword(const Options& options) {
  Request request;
  request.set_jid(options.jid);
  request.set_password(options.password ? *options.password : ReadPassword(options.jid));
  return request;
}

void Say(const Options& options, const std::string& done, const std::string& key) {
  if (options.json) {
    std::cout << nlohmann::json{{"jid", options.jid}, {key, true}}.dump() << std::endl;
  } else {
    std::cout << done << " " << options.jid << std::endl;
  }
}

}  // namespace

void AddUser(const Options& options) {
  const auto request = WithPassword<pb::CreateRequest>(options);
  Stub stub(Connect(Rosters(options), kRoster));
  CheckProblem(Call(stub, &Stub::Create, request).problem(), options.jid);
  Say(options, "added", "created");
}

void SetPassword(const Options& options) {
  const auto request = WithPassword<pb::SetPasswordRequest>(options);
  Stub stub(Connect(Rosters(options), kRoster));
  CheckProblem(Call(stub, &Stub::SetPassword, request).problem(), options.jid);
  Say(options, "changed the password of", "changed");
}

void ListUsers(const Options& options) {
  Stub stub(Connect(Rosters(options), kRoster));
  pb::ListRequest request;
  request.set_domain(options.domain);
  request.set_limit(kPage);
  auto rows = nlohmann::json::array();
  for (bool more = true; more;) {
    const auto page = Call(stub, &Stub::List, request);
    CheckProblem(page.problem(), options.domain);
    for (const auto& account : page.accounts()) {
      const auto created = Time(account.created_at());
      if (options.json) {
        rows.push_back({{"jid", account.jid()}, {"created_at", created}});
      } else {
        std::cout << created << "  " << account.jid() << "\n";
      }
    }
    more = page.more() && page.accounts_size() > 0;
    if (more) request.set_after(page.accounts().rbegin()->jid());
  }
  if (options.json) std::cout << rows.dump(2) << "\n";
  std::cout << std::flush;
}

void DeleteUser(const Options& options) {
  const auto stub = admin::v1::Admin::NewStub(Connect(Routers(options), kRouter));
  grpc::ClientContext context;
  SetDeadline(context, kRemovalLimit);
  admin::v1::RemoveAccountRequest request;
  request.set_account(options.jid);
  admin::v1::RemoveAccountResponse response;
  Check(stub->RemoveAccount(&context, request, &response), kRouter);
  if (!response.failure().empty()) throw Failure(kRefused, options.jid + ": " + response.failure());
  if (!response.existed()) CheckProblem(pb::PROBLEM_NO_ACCOUNT, options.jid);
  Say(options, "deleted", "deleted");
}

}  // namespace parley::ctl

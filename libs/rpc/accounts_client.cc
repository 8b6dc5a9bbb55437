#include "libs/rpc/accounts_client.h"

#include <utility>

#include "parley/accounts/v1/accounts.pb.h"

namespace parley::rpc {
namespace {

namespace pb = accounts::v1;

AccountProblem FromProto(pb::Problem problem) {
  switch (problem) {
    case pb::PROBLEM_UNSPECIFIED:
      return AccountProblem::kNone;
    case pb::PROBLEM_EXISTS:
      return AccountProblem::kExists;
    case pb::PROBLEM_NO_ACCOUNT:
      return AccountProblem::kNoAccount;
    case pb::PROBLEM_NO_HOST:
      return AccountProblem::kNoHost;
    case pb::PROBLEM_INVALID:
      return AccountProblem::kInvalid;
    default:  // PROBLEM_STORE, and whatever a newer peer may say: it was not done
      return AccountProblem::kStore;
  }
}

AccountsClient::Credential FromProto(pb::GetCredentialResponse& response) {
  AccountsClient::Credential credential;
  credential.problem = FromProto(response.problem());
  for (auto& keys : *response.mutable_keys()) {
    credential.keys.push_back({std::move(*keys.mutable_hash()), std::move(*keys.mutable_salt()), keys.iterations(),
                               std::move(*keys.mutable_stored_key()), std::move(*keys.mutable_server_key())});
  }
  return credential;
}

}  // namespace

AccountsClient::AccountsClient(Loop& loop, Options options)
    : client_(loop, {.discovery = std::move(options.rosters), .service = "roster", .link = std::move(options.link)}),
      timeout_(options.timeout) {}

void AccountsClient::GetCredential(const std::string& jid, std::function<void(Result<Credential>)> done) {
  pb::GetCredentialRequest request;
  request.set_jid(jid);
  client_.Call<pb::GetCredentialResponse>("/parley.accounts.v1.Accounts/GetCredential", request, timeout_,
                                          [done = std::move(done)](Result<pb::GetCredentialResponse> response) {
                                            if (!response) return done(response.error());
                                            done(FromProto(*response));
                                          });
}

template <class Response, class Request>
void AccountsClient::Change(const char* method, const Request& request, UnaryClient::InDoubt in_doubt, Done done) {
  const auto answered = [done = std::move(done)](Result<Response> response) {
    if (!response) return done(response.error());
    done(FromProto(response->problem()));
  };
  client_.Call<Response>(method, request, timeout_, answered, in_doubt);
}

void AccountsClient::Create(const std::string& jid, const std::string& password, Done done) {
  pb::CreateRequest request;
  request.set_jid(jid);
  request.set_password(password);
  Change<pb::CreateResponse>("/parley.accounts.v1.Accounts/Create", request, UnaryClient::InDoubt::kFail,
                             std::move(done));
}

void AccountsClient::SetPassword(const std::string& jid, const std::string& password, Done done) {
  pb::SetPasswordRequest request;
  request.set_jid(jid);
  request.set_password(password);
  Change<pb::SetPasswordResponse>("/parley.accounts.v1.Accounts/SetPassword", request, UnaryClient::InDoubt::kRepeat,
                                  std::move(done));
}

void AccountsClient::Delete(const std::string& jid, Done done) {
  pb::DeleteRequest request;
  request.set_jid(jid);
  Change<pb::DeleteResponse>("/parley.accounts.v1.Accounts/Delete", request, UnaryClient::InDoubt::kFail,
                             std::move(done));
}

void AccountsClient::Exists(const std::string& jid, std::function<void(Result<Existence>)> done) {
  pb::ExistsRequest request;
  request.set_jid(jid);
  client_.Call<pb::ExistsResponse>("/parley.accounts.v1.Accounts/Exists", request, timeout_,
                                   [done = std::move(done)](Result<pb::ExistsResponse> response) {
                                     if (!response) return done(response.error());
                                     done(Existence{FromProto(response->problem()), response->exists()});
                                   });
}

void AccountsClient::Count(const std::string& domain, std::function<void(Result<Number>)> done) {
  pb::CountRequest request;
  request.set_domain(domain);
  client_.Call<pb::CountResponse>("/parley.accounts.v1.Accounts/Count", request, timeout_,
                                  [done = std::move(done)](Result<pb::CountResponse> response) {
                                    if (!response) return done(response.error());
                                    done(Number{FromProto(response->problem()), response->accounts()});
                                  });
}

}  // namespace parley::rpc

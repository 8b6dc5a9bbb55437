#include "services/roster/accounts/accounts_service.h"

#include <utility>

#include "libs/rpc/unary.h"
#include "parley/accounts/v1/accounts.grpc.pb.h"
#include "services/roster/accounts/import_stream.h"
#include "services/roster/call_metrics.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

}  // namespace

class AccountsService::Rpc final : public pb::Accounts::CallbackService {
 public:
  Rpc(Loop& loop, Accounts& accounts, telemetry::Metrics& metrics)
      : loop_(loop), accounts_(accounts), metrics_(metrics, "parley_roster_account_calls", "call", "Account calls") {}

  std::size_t under_way() const { return metrics_.under_way(); }

  grpc::ServerUnaryReactor* GetCredential(grpc::CallbackServerContext*, const pb::GetCredentialRequest* request,
                                          pb::GetCredentialResponse* response) override {
    return Serve("get_credential", request, response, &Accounts::GetCredential);
  }
  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext*, const pb::CreateRequest* request,
                                   pb::CreateResponse* response) override {
    return Serve("create", request, response, &Accounts::Create);
  }
  grpc::ServerUnaryReactor* SetPassword(grpc::CallbackServerContext*, const pb::SetPasswordRequest* request,
                                        pb::SetPasswordResponse* response) override {
    return Serve("set_password", request, response, &Accounts::SetPassword);
  }
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext*, const pb::DeleteRequest* request,
                                   pb::DeleteResponse* response) override {
    return Serve("delete", request, response, &Accounts::Delete);
  }
  grpc::ServerUnaryReactor* Exists(grpc::CallbackServerContext*, const pb::ExistsRequest* request,
                                   pb::ExistsResponse* response) override {
    return Serve("exists", request, response, &Accounts::Exists);
  }
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext*, const pb::ListRequest* request,
                                 pb::ListResponse* response) override {
    return Serve("list", request, response, &Accounts::List);
  }
  grpc::ServerBidiReactor<pb::ImportRequest, pb::ImportProgress>* Import(grpc::CallbackServerContext*) override {
    return NewImportStream(loop_, [this](const pb::ImportRequest& request, Reply<pb::ImportProgress> reply) {
      accounts_.Import(request, Counted("import", std::move(reply)));
    });
  }

 private:
  template <class Response>
  using Reply = std::function<void(Response)>;

  static pb::Problem ProblemOf(const pb::ImportProgress& progress) {
    return progress.failures().empty() ? pb::PROBLEM_UNSPECIFIED : progress.failures(0).problem();
  }
  template <class Response>
  static pb::Problem ProblemOf(const Response& response) {
    return response.problem();
  }

  template <class Response>
  Reply<Response> Counted(const char* name, Reply<Response> reply) {
    metrics_.Started();
    return [this, name, started = CallMetrics::Clock::now(), reply = std::move(reply)](Response response) {
      metrics_.Finished(name, pb::Problem_Name(ProblemOf(response)), started);
      reply(std::move(response));
    };
  }

  template <class Request, class Response>
  grpc::ServerUnaryReactor* Serve(const char* name, const Request* request, Response* response,
                                  void (Accounts::*handle)(const Request&, Reply<Response>)) {
    std::function<void(const Request&, rpc::Respond<Response>)> on_loop =
        [this, name, handle](const Request& asked, rpc::Respond<Response> respond) {
          (accounts_.*handle)(asked, Counted(name, std::move(respond)));
        };
    return rpc::Serve(loop_, request, response, std::move(on_loop));
  }

  Loop& loop_;
  Accounts& accounts_;
  CallMetrics metrics_;
};

AccountsService::AccountsService(Loop& loop, Accounts& accounts, telemetry::Metrics& metrics)
    : rpc_(std::make_unique<Rpc>(loop, accounts, metrics)) {}
AccountsService::~AccountsService() = default;
grpc::Service* AccountsService::service() { return rpc_.get(); }
std::size_t AccountsService::under_way() const { return rpc_->under_way(); }

}  // namespace parley::roster

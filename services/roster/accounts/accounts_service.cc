#include "services/roster/accounts/accounts_service.h"

#include <string>
#include <utility>

#include "services/roster/call_metrics.h"

namespace parley::roster {
namespace {

namespace pb = accounts::v1;

template <class Response>
using Reply = std::function<void(Response)>;

pb::Problem ProblemOf(const pb::ImportProgress& progress) {
  return progress.failures().empty() ? pb::PROBLEM_UNSPECIFIED : progress.failures(0).problem();
}
template <class Response>
pb::Problem ProblemOf(const Response& response) {
  return response.problem();
}

}  // namespace

class AccountsService::Calls : public std::enable_shared_from_this<Calls> {
 public:
  Calls(Accounts& accounts, telemetry::Metrics& metrics)
      : accounts_(accounts), metrics_(metrics, "parley_roster_account_calls", "call", "Account calls") {}

  std::size_t under_way() const { return metrics_.under_way(); }

  rpc::Methods Methods() {
    rpc::Methods methods;
    Add(methods, "GetCredential", "get_credential", &Accounts::GetCredential);
    Add(methods, "Create", "create", &Accounts::Create);
    Add(methods, "SetPassword", "set_password", &Accounts::SetPassword);
    Add(methods, "Delete", "delete", &Accounts::Delete);
    Add(methods, "Exists", "exists", &Accounts::Exists);
    Add(methods, "List", "list", &Accounts::List);
    Add(methods, "Count", "count", &Accounts::Count);
    methods.PermitLinks({"router"});
    // The edges log in and register, the routers change passwords and delete (XEP-0077); administrators
    // make accounts, too (XEP-0133).
    using Use = rpc::Permission::Use;
    methods.Permit(Path("GetCredential"), {Use::kLook, {"c2s", "router"}});
    methods.Permit(Path("Exists"), {Use::kLook, {"c2s", "router", rpc::kViewer}});
    methods.Permit(Path("List"), {Use::kLook, {rpc::kViewer}});
    methods.Permit(Path("Count"), {Use::kLook, {"router", rpc::kViewer}});
    methods.Permit(Path("Create"), {Use::kChange, {"c2s", "router"}});
    methods.Permit(Path("SetPassword"), {Use::kChange, {"router"}});
    methods.Permit(Path("Delete"), {Use::kChange, {"router"}});
    methods.Conversation<pb::ImportRequest, pb::ImportProgress>(Path("Import"), [this] { return NewImport(); });
    return methods;
  }

 private:
  static std::string Path(const std::string& method) { return "/parley.accounts.v1.Accounts/" + method; }

  template <class Request, class Response>
  void Add(rpc::Methods& methods, const std::string& method, const char* name,
           void (Accounts::*handle)(const Request&, Reply<Response>)) {
    methods.Unary<Request, Response>(Path(method), [this, name, handle](const Request& request, auto respond) {
      (accounts_.*handle)(request, Counted<Response>(name, std::move(respond)));
    });
  }

  // The counts of one import are those since its start, the failures those of the last message.
  rpc::Methods::Converse<pb::ImportRequest, pb::ImportProgress> NewImport() {
    return [this, total = std::make_shared<pb::ImportProgress>()](const pb::ImportRequest& request, auto respond) {
      Reply<pb::ImportProgress> add = [total, respond = std::move(respond)](const pb::ImportProgress& progress) {
        total->set_created(total->created() + progress.created());
        total->set_existed(total->existed() + progress.existed());
        *total->mutable_failures() = progress.failures();
        respond(*total);
      };
      accounts_.Import(request, Counted<pb::ImportProgress>("import", std::move(add)));
    };
  }

  // A reply may come when the service is gone: the database answers late.
  template <class Response>
  Reply<Response> Counted(const char* name, Reply<Response> reply) {
    metrics_.Started();
    return [weak = weak_from_this(), name, started = CallMetrics::Clock::now(),
            reply = std::move(reply)](Response response) {
      if (const auto self = weak.lock()) {
        self->metrics_.Finished(name, pb::Problem_Name(ProblemOf(response)), started);
      }
      reply(std::move(response));
    };
  }

  Accounts& accounts_;
  CallMetrics metrics_;
};

AccountsService::AccountsService(Accounts& accounts, telemetry::Metrics& metrics)
    : calls_(std::make_shared<Calls>(accounts, metrics)) {}
AccountsService::~AccountsService() = default;
rpc::Methods AccountsService::methods() { return calls_->Methods(); }
std::size_t AccountsService::under_way() const { return calls_->under_way(); }

}  // namespace parley::roster

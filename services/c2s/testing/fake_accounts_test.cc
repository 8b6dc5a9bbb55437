#include "services/c2s/testing/fake_accounts.h"

#include "libs/rpc/unary.h"
#include "libs/xmpp/scram.h"
#include "parley/accounts/v1/accounts.grpc.pb.h"

namespace parley::c2s::testing {

namespace pb = accounts::v1;
using xmpp::scram::Hash;

namespace {

// Few, so that tests do not wait for PBKDF2.
constexpr std::uint32_t kIterations = 16;

void AddKeys(const std::string& jid, const std::string& password, Hash hash, pb::GetCredentialResponse& response) {
  const auto keys = xmpp::scram::Derive(hash, password, "salt of " + jid, kIterations);
  auto& added = *response.add_keys();
  added.set_hash(std::string(HashName(hash)));
  added.set_salt(keys.salt);
  added.set_iterations(keys.iterations);
  added.set_stored_key(keys.stored_key);
  added.set_server_key(keys.server_key);
}

}  // namespace

class FakeAccounts::Service : public pb::Accounts::CallbackService {
 public:
  explicit Service(Loop& loop) : loop_(loop) {}

  grpc::ServerUnaryReactor* GetCredential(grpc::CallbackServerContext*, const pb::GetCredentialRequest* request,
                                          pb::GetCredentialResponse* response) override {
    return Serve<pb::GetCredentialRequest, pb::GetCredentialResponse>(request, response, [this](const auto& asked) {
      pb::GetCredentialResponse answer;
      if (broken) {
        answer.set_problem(pb::PROBLEM_STORE);
        return answer;
      }
      const auto found = passwords.find(asked.jid());
      const std::string password = found == passwords.end() ? "no password fits this" : found->second;
      for (const auto hash : {Hash::kSha1, Hash::kSha256}) AddKeys(asked.jid(), password, hash, answer);
      return answer;
    });
  }

  grpc::ServerUnaryReactor* Create(grpc::CallbackServerContext*, const pb::CreateRequest* request,
                                   pb::CreateResponse* response) override {
    return Serve<pb::CreateRequest, pb::CreateResponse>(request, response, [this](const auto& asked) {
      pb::CreateResponse answer;
      if (broken) {
        answer.set_problem(pb::PROBLEM_STORE);
      } else if (!passwords.emplace(asked.jid(), asked.password()).second) {
        answer.set_problem(pb::PROBLEM_EXISTS);
      }
      return answer;
    });
  }

  grpc::ServerUnaryReactor* Exists(grpc::CallbackServerContext*, const pb::ExistsRequest* request,
                                   pb::ExistsResponse* response) override {
    return Serve<pb::ExistsRequest, pb::ExistsResponse>(request, response, [this](const auto& asked) {
      pb::ExistsResponse answer;
      answer.set_exists(passwords.count(asked.jid()) > 0);
      if (broken) answer.set_problem(pb::PROBLEM_STORE);
      return answer;
    });
  }

  std::map<std::string, std::string> passwords;
  bool broken = false;
  bool hold = false;
  std::vector<std::function<void()>> held;

 private:
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Serve(const Request* request, Response* response,
                                  std::function<Response(const Request&)> answer) {
    auto handle = [this, answer = std::move(answer)](const Request& asked, rpc::Respond<Response> respond) {
      auto go = [asked, answer, respond] { respond(answer(asked)); };
      hold ? held.push_back(std::move(go)) : go();
    };
    return rpc::Serve<Request, Response>(loop_, request, response, std::move(handle));
  }

  Loop& loop_;
};

FakeAccounts::FakeAccounts(Loop& loop) : service_(std::make_unique<Service>(loop)) {}
FakeAccounts::~FakeAccounts() = default;
grpc::Service* FakeAccounts::service() { return service_.get(); }
void FakeAccounts::Add(const std::string& jid, const std::string& password) { service_->passwords[jid] = password; }
void FakeAccounts::SetBroken(bool broken) { service_->broken = broken; }
void FakeAccounts::Hold() { service_->hold = true; }
std::size_t FakeAccounts::waiting() const { return service_->held.size(); }
bool FakeAccounts::Has(const std::string& jid) const { return service_->passwords.count(jid) > 0; }

void FakeAccounts::Answer() {
  service_->hold = false;
  for (auto& go : std::exchange(service_->held, {})) go();
}

}  // namespace parley::c2s::testing

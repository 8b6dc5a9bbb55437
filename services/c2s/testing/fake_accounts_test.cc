#include "services/c2s/testing/fake_accounts.h"

#include "libs/xmpp/scram.h"
#include "parley/accounts/v1/accounts.pb.h"

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

class FakeAccounts::Service {
 public:
  rpc::Methods methods() {
    rpc::Methods methods;
    Add<pb::GetCredentialRequest, pb::GetCredentialResponse>(methods, "GetCredential", [this](const auto& asked) {
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
    Add<pb::CreateRequest, pb::CreateResponse>(methods, "Create", [this](const auto& asked) {
      pb::CreateResponse answer;
      if (broken) {
        answer.set_problem(pb::PROBLEM_STORE);
      } else if (!passwords.emplace(asked.jid(), asked.password()).second) {
        answer.set_problem(pb::PROBLEM_EXISTS);
      }
      return answer;
    });
    Add<pb::ExistsRequest, pb::ExistsResponse>(methods, "Exists", [this](const auto& asked) {
      pb::ExistsResponse answer;
      answer.set_exists(passwords.count(asked.jid()) > 0);
      if (broken) answer.set_problem(pb::PROBLEM_STORE);
      return answer;
    });
    return methods;
  }

  std::map<std::string, std::string> passwords;
  bool broken = false;
  bool hold = false;
  std::vector<std::function<void()>> held;

 private:
  template <class Request, class Response>
  void Add(rpc::Methods& methods, const std::string& name, std::function<Response(const Request&)> answer) {
    methods.Unary<Request, Response>("/parley.accounts.v1.Accounts/" + name,
                                     [this, answer = std::move(answer)](const Request& asked, auto respond) {
                                       auto go = [asked, answer, respond] { respond(answer(asked)); };
                                       hold ? held.push_back(std::move(go)) : go();
                                     });
  }
};

FakeAccounts::FakeAccounts() : service_(std::make_unique<Service>()) {}
FakeAccounts::~FakeAccounts() = default;
rpc::Methods FakeAccounts::methods() { return service_->methods(); }
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

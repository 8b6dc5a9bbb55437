#include <algorithm>
#include <vector>

#include "libs/rpc/accounts_client.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/sasl/credentials.h"
#include "services/c2s/stream/stream.h"
#include "services/c2s/workers.h"

// PLAIN (RFC 4616): only under TLS, compared with the SCRAM keys on a worker.
namespace parley::c2s {
namespace {

class PlainMechanism final : public Mechanism, public std::enable_shared_from_this<PlainMechanism> {
 public:
  PlainMechanism(Stream& stream, Exchange& exchange) : stream_(stream), exchange_(exchange) {}

  void OnMessage(std::string message) override {
    // authzid NUL authcid NUL passwd
    const auto first = message.find('\0');
    const auto second = first == std::string::npos ? first : message.find('\0', first + 1);
    if (second == std::string::npos || message.find('\0', second + 1) != std::string::npos) {
      return exchange_.Refuse(kMalformedRequest);
    }
    const std::string_view all = message;
    const auto username = all.substr(first + 1, second - first - 1);
    const auto password = all.substr(second + 1);
    if (username.empty() || password.empty()) return exchange_.Refuse(kMalformedRequest);
    const auto account = AccountOf(username, stream_.host().domain);
    auto prepared = xmpp::PreparePassword(password);
    if (!account || !prepared) return exchange_.Refuse(kNotAuthorized);
    if (!MayActAs(all.substr(0, first), *account)) return exchange_.Refuse(kInvalidAuthzid);
    account_ = *account;
    Check(std::move(*prepared));
  }

 private:
  void Check(std::string password) {
    auto compare = [password = std::move(password)](PlainMechanism& self,
                                                    const Result<rpc::AccountsClient::Credential>& answer) {
      auto keys = KeysFor(xmpp::scram::Hash::kSha256, answer);
      const auto older = KeysFor(xmpp::scram::Hash::kSha1, answer);
      if (!keys && !older) return self.exchange_.Refuse(keys.error());
      // An account that came from another server may have keys for one of them only.
      std::vector<xmpp::scram::Keys> either;
      for (const auto& some : {keys, older}) {
        if (some) either.push_back(*some);
      }
      self.Compare(std::move(either), password);
    };
    stream_.context().accounts.GetCredential(account_.str(), WhileAlive(shared_from_this(), std::move(compare)));
  }

  void Compare(std::vector<xmpp::scram::Keys> either, const std::string& password) {
    auto work = [either = std::move(either), password] {
      return std::any_of(either.begin(), either.end(), [&](const auto& keys) { return Verify(keys, password); });
    };
    auto done = [](PlainMechanism& self, bool right) {
      if (!right) return self.exchange_.Refuse(kNotAuthorized);
      Identity identity;
      identity.account = self.account_;
      identity.mechanism = "PLAIN";
      self.exchange_.Succeed(std::move(identity), {});
    };
    if (stream_.context().workers.Run(std::move(work), WhileAlive(shared_from_this(), done))) return;
    stream_.context().metrics.limits.Add("password_queue");
    exchange_.Refuse(kTemporaryFailure);
  }

  Stream& stream_;
  Exchange& exchange_;
  xmpp::Jid account_;
};

MechanismRow::Offer Offered(const Stream& stream) {
  if (!stream.secure()) return MechanismRow::Offer::kNoTls;
  return stream.host().plain ? MechanismRow::Offer::kYes : MechanismRow::Offer::kWeak;
}

std::shared_ptr<Mechanism> Make(Stream& stream, Exchange& exchange) {
  return std::make_shared<PlainMechanism>(stream, exchange);
}

}  // namespace

MechanismRow Plain() { return {"PLAIN", Offered, Make}; }

}  // namespace parley::c2s

#include "libs/xmpp/scram.h"

#include "libs/net/tls.h"
#include "libs/rpc/accounts_client.h"
#include "services/c2s/alive.h"
#include "services/c2s/sasl/credentials.h"
#include "services/c2s/stream/stream.h"

// SCRAM-SHA-1 and SCRAM-SHA-256, without and with channel binding (RFC 5802, RFC 7677, RFC 9266, RFC 5929).
namespace parley::c2s {
namespace {

using xmpp::scram::ChannelBinding;
using xmpp::scram::Hash;
using xmpp::scram::Problem;

ChannelBinding BindingOf(const Stream& stream) {
  ChannelBinding binding;
  if (const auto* tls = stream.tls()) {
    binding.exporter = stream.TlsExporter();
    binding.unique = tls->unique;
    binding.end_point = tls->end_point;
  }
  return binding;
}

bool PlusOffered(const Stream& stream) {
  const auto* tls = stream.tls();
  return tls && (tls->exports || !tls->end_point.empty());
}

const SaslFailure& FailureOf(Problem problem) {
  switch (problem) {
    case Problem::kMalformed:
      return kMalformedRequest;
    case Problem::kBindingUnsupported:
      return kBindingUnsupported;
    case Problem::kBadProof:
    case Problem::kBindingMismatch:  // somebody sits in between
    case Problem::kDowngrade:
      break;
  }
  return kNotAuthorized;
}

class ScramMechanism final : public Mechanism, public std::enable_shared_from_this<ScramMechanism> {
 public:
  ScramMechanism(Stream& stream, Exchange& exchange, const MechanismRow& row, Hash hash, bool plus)
      : stream_(stream),
        exchange_(exchange),
        name_(row.name),
        hash_(hash),
        server_(hash, plus, PlusOffered(stream), plus ? BindingOf(stream) : ChannelBinding()) {}

  void OnMessage(std::string message) override { account_.empty() ? First(message) : Final(message); }

 private:
  void First(const std::string& message) {
    if (const auto problem = server_.ClientFirst(message)) return exchange_.Refuse(FailureOf(*problem));
    const auto account = AccountOf(server_.username(), stream_.host().domain);
    if (!account) return exchange_.Refuse(kNotAuthorized);
    if (!MayActAs(server_.authzid(), *account)) return exchange_.Refuse(kInvalidAuthzid);
    account_ = *account;
    auto found = [](ScramMechanism& self, const Result<rpc::AccountsClient::Credential>& answer) {
      auto keys = KeysFor(self.hash_, answer);
      if (!keys) return self.exchange_.Refuse(keys.error());
      self.exchange_.Challenge(self.server_.ServerFirst(*keys));
    };
    stream_.context().accounts.GetCredential(account_.str(), WhileAlive(shared_from_this(), found));
  }

  void Final(const std::string& message) {
    const auto final = server_.ClientFinal(message);
    if (final.problem) return exchange_.Refuse(FailureOf(*final.problem));
    Identity identity;
    identity.account = account_;
    identity.mechanism = name_;
    exchange_.Succeed(std::move(identity), final.message);
  }

  Stream& stream_;
  Exchange& exchange_;
  std::string_view name_;
  Hash hash_;
  xmpp::scram::Server server_;
  xmpp::Jid account_;  // empty before the first message
};

MechanismRow::Offer Always(const Stream&) { return MechanismRow::Offer::kYes; }

// Clients choose the strongest that is offered, and give up when it fails.
MechanismRow::Offer Sha256(const Stream& stream) {
  return stream.host().scram_sha256 ? MechanismRow::Offer::kYes : MechanismRow::Offer::kWeak;
}

MechanismRow::Offer WithBinding(const Stream& stream) {
  if (!stream.secure()) return MechanismRow::Offer::kNoTls;
  return PlusOffered(stream) ? MechanismRow::Offer::kYes : MechanismRow::Offer::kMissing;
}

MechanismRow::Offer Sha256WithBinding(const Stream& stream) {
  const auto offer = Sha256(stream);
  return offer == MechanismRow::Offer::kYes ? WithBinding(stream) : offer;
}

}  // namespace

MechanismRow ScramSha1() {
  return {"SCRAM-SHA-1", Always, [](Stream& stream, Exchange& exchange) -> std::shared_ptr<Mechanism> {
            return std::make_shared<ScramMechanism>(stream, exchange, ScramSha1(), Hash::kSha1, false);
          }};
}

MechanismRow ScramSha1Plus() {
  return {"SCRAM-SHA-1-PLUS", WithBinding, [](Stream& stream, Exchange& exchange) -> std::shared_ptr<Mechanism> {
            return std::make_shared<ScramMechanism>(stream, exchange, ScramSha1Plus(), Hash::kSha1, true);
          }};
}

MechanismRow ScramSha256() {
  return {"SCRAM-SHA-256", Sha256, [](Stream& stream, Exchange& exchange) -> std::shared_ptr<Mechanism> {
            return std::make_shared<ScramMechanism>(stream, exchange, ScramSha256(), Hash::kSha256, false);
          }};
}

MechanismRow ScramSha256Plus() {
  return {"SCRAM-SHA-256-PLUS", Sha256WithBinding,
          [](Stream& stream, Exchange& exchange) -> std::shared_ptr<Mechanism> {
            return std::make_shared<ScramMechanism>(stream, exchange, ScramSha256Plus(), Hash::kSha256, true);
          }};
}

}  // namespace parley::c2s

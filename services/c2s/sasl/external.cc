#include <algorithm>

#include "libs/net/tls.h"
#include "libs/rpc/accounts_client.h"
#include "services/c2s/alive.h"
#include "services/c2s/sasl/mechanism.h"
#include "services/c2s/stream/stream.h"

// EXTERNAL with a client certificate (RFC 6120 6.4, XEP-0178): the addresses are the certificate's id-on-xmppAddr.
namespace parley::c2s {
namespace {

class ExternalMechanism final : public Mechanism, public std::enable_shared_from_this<ExternalMechanism> {
 public:
  ExternalMechanism(Stream& stream, Exchange& exchange) : stream_(stream), exchange_(exchange) {}

  void OnMessage(std::string authzid) override {
    const auto account = authzid.empty() ? Implied() : xmpp::Jid::Parse(authzid);
    // RFC 6120 6.5.6, XEP-0178 section 2: wrongly written, not the certificate's, or not told though it has several.
    const bool asked = !authzid.empty() || stream_.tls()->peer_xmpp_addrs.size() > 1;
    if (account && account->is_bare() && Certified(*account)) return Admit(*account);
    exchange_.Refuse(asked ? kInvalidAuthzid : kNotAuthorized);
  }

 private:
  // XEP-0178 section 2, step 9: a certificate with several addresses needs the header's `from` to choose.
  std::optional<xmpp::Jid> Implied() const {
    const auto& addresses = stream_.tls()->peer_xmpp_addrs;
    if (addresses.size() == 1) return xmpp::Jid::Parse(addresses.front());
    if (stream_.claimed_from().empty()) return std::nullopt;
    return stream_.claimed_from().Bare();
  }

  void Admit(const xmpp::Jid& account) {
    auto found = [account](ExternalMechanism& self, const Result<rpc::AccountsClient::Existence>& answer) {
      if (!answer || answer->problem == rpc::AccountProblem::kStore) return self.exchange_.Refuse(kTemporaryFailure);
      if (!answer->exists) return self.exchange_.Refuse(kNotAuthorized);
      Identity identity;
      identity.account = account;
      identity.mechanism = "EXTERNAL";
      self.exchange_.Succeed(std::move(identity), {});
    };
    stream_.context().accounts.Exists(account.str(), WhileAlive(shared_from_this(), std::move(found)));
  }

  bool Certified(const xmpp::Jid& account) const {
    if (account.domain() != stream_.host().domain || account.local().empty()) return false;
    const auto& addresses = stream_.tls()->peer_xmpp_addrs;
    return std::any_of(addresses.begin(), addresses.end(), [&](const std::string& address) {
      const auto certified = xmpp::Jid::Parse(address);
      return certified && *certified == account;
    });
  }

  Stream& stream_;
  Exchange& exchange_;
};

MechanismRow::Offer Offered(const Stream& stream) {
  if (!stream.host().external) return MechanismRow::Offer::kMissing;
  if (!stream.secure()) return MechanismRow::Offer::kNoTls;
  // The certificate was verified by the trust of the host that TLS was for: that must be this one.
  const bool ours = stream.tls_host() == &stream.host();
  const bool shown = !stream.tls()->peer_certificate_der.empty();
  return ours && shown ? MechanismRow::Offer::kYes : MechanismRow::Offer::kMissing;
}

std::shared_ptr<Mechanism> Make(Stream& stream, Exchange& exchange) {
  return std::make_shared<ExternalMechanism>(stream, exchange);
}

}  // namespace

MechanismRow External() { return {"EXTERNAL", Offered, Make}; }

}  // namespace parley::c2s

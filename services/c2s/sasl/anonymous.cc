#include "libs/base/ids.h"
#include "services/c2s/sasl/mechanism.h"
#include "services/c2s/stream/stream.h"

// RFC 4505 as XEP-0175 uses it: an account that lives as long as its stream.
namespace parley::c2s {
namespace {

class AnonymousMechanism final : public Mechanism {
 public:
  AnonymousMechanism(Stream& stream, Exchange& exchange) : stream_(stream), exchange_(exchange) {}

  // The trace information is of no use to us.
  void OnMessage(std::string) override {
    Identity identity;
    // Two ids: preparing the localpart folds case, which halves the alphabet.
    identity.account = *xmpp::Jid::Make("anon-" + RandomId() + RandomId(), stream_.host().domain);
    identity.mechanism = "ANONYMOUS";
    identity.anonymous = true;
    exchange_.Succeed(std::move(identity), {});
  }

 private:
  Stream& stream_;
  Exchange& exchange_;
};

MechanismRow::Offer Offered(const Stream& stream) {
  return stream.host().anonymous ? MechanismRow::Offer::kYes : MechanismRow::Offer::kMissing;
}

std::shared_ptr<Mechanism> Make(Stream& stream, Exchange& exchange) {
  return std::make_shared<AnonymousMechanism>(stream, exchange);
}

}  // namespace

MechanismRow Anonymous() { return {"ANONYMOUS", Offered, Make}; }

}  // namespace parley::c2s

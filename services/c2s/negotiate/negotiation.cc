#include "services/c2s/negotiate/negotiation.h"

#include "services/c2s/negotiate/bind.h"
#include "services/c2s/negotiate/registration.h"
#include "services/c2s/negotiate/resume.h"
#include "services/c2s/negotiate/sasl.h"
#include "services/c2s/negotiate/start_tls.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

// Offered to who has logged in, and handled by the router.
class Announcements final : public Feature {
 public:
  void Advertise(std::string& features) const override {
    features +=
        "<ver xmlns='urn:xmpp:features:rosterver'/>"      // RFC 6121 2.6.1
        "<sub xmlns='urn:xmpp:features:pre-approval'/>";  // RFC 6121 3.4
  }
  bool Take(const xml::Child&) override { return false; }
  void Abandon() override {}
};

bool IsStanza(const xml::StartTag& tag) {
  return tag.ns == kClientNs && (tag.local_name == "message" || tag.local_name == "presence" || tag.local_name == "iq");
}

}  // namespace

Negotiation::Negotiation(Stream& stream, std::vector<std::shared_ptr<Feature>> features)
    : stream_(stream), features_(std::move(features)) {}

std::string Negotiation::Features() const {
  std::string text = "<stream:features>";
  for (const auto& feature : features_) feature->Advertise(text);
  text += "</stream:features>";
  return text;
}

void Negotiation::OnChild(const xml::Child& child) {
  for (const auto& feature : features_) {
    if (feature->Take(child)) return;
  }
  // XEP-0198 section 6, before login.
  if (child.start.ns == kSmNs) stream_.Write(SmFailed("unexpected-request"));
  // RFC 6120 4.9.3.12: anything else before login, and stanzas before binding (7.1), are not authorized.
  if (!stream_.identity() || IsStanza(child.start)) return stream_.Fail(xmpp::StreamError("not-authorized"));
  stream_.Fail(xmpp::StreamError("unsupported-stanza-type"));
}

void Negotiation::OnEnd(std::string_view) {
  for (const auto& feature : features_) feature->Abandon();
}

std::shared_ptr<Negotiation> MakeNegotiation(Stream& stream) {
  std::vector<std::shared_ptr<Feature>> features;
  if (stream.identity()) {
    features.push_back(std::make_shared<Bind>(stream));
    features.push_back(std::make_shared<Resume>(stream));
    features.push_back(std::make_shared<Announcements>());
  } else {
    features.push_back(std::make_shared<StartTls>(stream));
    features.push_back(std::make_shared<Sasl>(stream));
    features.push_back(std::make_shared<Registration>(stream));
  }
  return std::make_shared<Negotiation>(stream, std::move(features));
}

}  // namespace parley::c2s

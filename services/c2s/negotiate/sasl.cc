#include "services/c2s/negotiate/sasl.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/tls.h"
#include "libs/xml/element_parse.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/sasl/base64.h"
#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kSaslNs = "urn:ietf:params:xml:ns:xmpp-sasl";

// Nothing is offered in the clear where TLS is required (RFC 6120 5.3.1, 6.4.1).
bool Closed(const Stream& stream) { return !stream.secure() && stream.context().config.c2s.starttls_required; }

// XEP-0440: which kinds of channel binding the -PLUS mechanisms can use.
void AdvertiseBindings(const net::TlsInfo& tls, std::string& features) {
  if (!tls.exports && tls.end_point.empty()) return;
  features += "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>";
  if (tls.exports) features += "<channel-binding type='tls-exporter'/>";
  // Over TLS 1.3 no RFC defines it: accepted from those who cannot do better, advertised to nobody.
  const bool unique = !tls.unique.empty() && tls.version != "TLSv1.3";
  if (unique) features += "<channel-binding type='tls-unique'/>";
  if (!tls.end_point.empty()) features += "<channel-binding type='tls-server-end-point'/>";
  features += "</sasl-channel-binding>";
}

std::string Text(const Stream& stream, const xml::Child& child) {
  const auto element = xml::ParseWithin(stream.namespaces(), child.raw);
  return element ? element->text() : std::string();
}

const SaslFailure* ReasonNot(const MechanismRow* row, const Stream& stream) {
  if (!row) return &kInvalidMechanism;
  if (Closed(stream)) return &kEncryptionRequired;
  switch (row->offer(stream)) {
    case MechanismRow::Offer::kYes:
      return nullptr;
    case MechanismRow::Offer::kNoTls:
      return &kEncryptionRequired;
    case MechanismRow::Offer::kWeak:
      return &kMechanismTooWeak;
    case MechanismRow::Offer::kMissing:
      break;
  }
  return &kInvalidMechanism;
}

const MechanismRow* Find(std::string_view name) {
  const auto& rows = Mechanisms();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

void Sasl::Advertise(std::string& features) const {
  if (Closed(stream_)) return;
  features.append("<mechanisms xmlns='").append(kSaslNs).append("'>");
  for (const auto& row : Mechanisms()) {
    if (row.offer(stream_) != MechanismRow::Offer::kYes) continue;
    features.append("<mechanism>").append(row.name).append("</mechanism>");
  }
  features += "</mechanisms>";
  if (stream_.tls()) AdvertiseBindings(*stream_.tls(), features);
}

bool Sasl::Take(const xml::Child& child) {
  if (child.start.ns != kSaslNs) return false;
  if (child.start.local_name == "auth") {
    Begin(child);
  } else if (child.start.local_name == "response") {
    Respond(child);
  } else if (child.start.local_name == "abort") {
    Fail(kAborted);
  } else {
    Fail(kMalformedRequest);
  }
  return true;
}

void Sasl::Abandon() {
  mechanism_.reset();
  delay_.Cancel();
}

void Sasl::Begin(const xml::Child& child) {
  // RFC 6120 6.4.2: an exchange ends by success, failure or abort before another begins.
  if (mechanism_) return Fail(kMalformedRequest);
  const auto* row = Find(AttributeOf(child.start, "mechanism"));
  name_ = row ? row->name : "unknown";
  begun_ = std::chrono::steady_clock::now();
  if (const auto* reason = ReasonNot(row, stream_)) return Fail(*reason);
  if (!stream_.ticket().MayAuthenticate()) return Fail(kTooManyFailures);
  mechanism_ = row->make(stream_, *this);
  const std::string initial = Text(stream_, child);
  if (initial.empty()) return Challenge({});
  // RFC 6120 6.4.2: "=" is an initial response of no bytes, as against no initial response.
  Step(initial == "=" ? std::string() : initial);
}

void Sasl::Respond(const xml::Child& child) {
  if (!mechanism_) return Fail(kMalformedRequest);
  Step(Text(stream_, child));
}

void Sasl::Step(std::string data) {
  auto decoded = FromBase64(data);
  if (!decoded) return Fail(kIncorrectEncoding);
  // One step at a time: what the client sends meanwhile waits.
  stream_.Hold(Stream::Pause::kStage);
  mechanism_->OnMessage(std::move(*decoded));
}

void Sasl::Challenge(std::string_view data) {
  stream_.Write("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + Base64(data) + "</challenge>");
  stream_.Release(Stream::Pause::kStage);
}

void Sasl::Succeed(Identity identity, std::string_view data) {
  stream_.context().metrics.logins.Add(name_, "success");
  stream_.context().metrics.logins.Took(name_, std::chrono::steady_clock::now() - begun_);
  log::Info("login", {{"session", stream_.id()},
                      {"account", identity.account.str()},
                      {"mechanism", identity.mechanism},
                      {"address", stream_.address()}});
  stream_.Write("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + Base64(data) + "</success>");
  stream_.Authenticated(std::move(identity));
  stream_.Release(Stream::Pause::kStage);
}

void Sasl::Refuse(const SaslFailure& failure) { Fail(failure); }

void Sasl::Fail(const SaslFailure& failure) {
  // The mechanism may be the caller.
  if (mechanism_) stream_.context().streams.Retire(std::exchange(mechanism_, nullptr));
  stream_.context().metrics.logins.Add(name_, failure.condition);
  log::Info("login_failed", {{"session", stream_.id()},
                             {"mechanism", name_},
                             {"condition", failure.condition},
                             {"address", stream_.address()}});
  ++attempts_;
  if (failure.blame == SaslFailure::Blame::kNone) return SendFailure(failure);
  stream_.ticket().AuthenticationFailed();
  // Guessing is slow, and what is sent meanwhile is not read.
  stream_.Hold(Stream::Pause::kStage);
  auto send = [failure](Sasl& self) { self.SendFailure(failure); };
  delay_ = stream_.context().loop.After(stream_.context().config.c2s.auth_failure_delay,
                                        WhileAlive(shared_from_this(), send));
}

void Sasl::SendFailure(const SaslFailure& failure) {
  std::string xml = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><";
  xml.append(failure.condition).append("/>");
  if (!failure.text.empty()) xml.append("<text xml:lang='en'>").append(failure.text).append("</text>");
  stream_.Write(xml + "</failure>");
  if (attempts_ < stream_.context().config.c2s.max_auth_attempts) return stream_.Release(Stream::Pause::kStage);
  // RFC 6120 6.4.5
  stream_.context().metrics.limits.Add("auth_attempts");
  stream_.Fail(xmpp::StreamError("policy-violation", "too many failed logins"));
}

}  // namespace parley::c2s

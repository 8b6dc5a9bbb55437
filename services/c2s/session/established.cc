#include "services/c2s/session/established.h"

#include <utility>

#include "libs/rpc/link.h"
#include "libs/xmpp/stanza.h"
#include "services/c2s/metrics.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/ping.h"
#include "services/c2s/session/session.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

constexpr std::string_view kBindNs = "urn:ietf:params:xml:ns:xmpp-bind";
constexpr std::string_view kSessionNs = "urn:ietf:params:xml:ns:xmpp-session";

}  // namespace

Established::Established(Stream& stream, std::shared_ptr<Session> session)
    : stream_(stream), session_(std::move(session)) {}

void Established::OnChild(const xml::Child& child) {
  session_->Hear();
  if (child.start.ns == kSmNs) return TakeElement(child);
  xmpp::StreamContext context;
  context.namespaces = &stream_.namespaces();
  context.lang = stream_.lang();
  context.from = session_->jid().str();
  auto stanza = xmpp::ParseStanza(child, context, rpc::NewEnvelope());
  if (!stanza) return stream_.Fail(xmpp::StreamError("unsupported-stanza-type"));
  stream_.context().metrics.stanzas_in.Add(stanza->envelope->kind());
  if (!IsOwn(stanza->client_from)) return stream_.Fail(xmpp::StreamError("invalid-from"));
  stanza->envelope->set_origin_seq(session_->uplink().Number());
  if (session_->uplink().IsTaken(stanza->envelope->origin_seq())) return;
  if (Answer(*stanza)) return session_->Throttle();
  session_->Submit(std::move(stanza->envelope));
}

// RFC 6120 8.1.2.1: none, or the full or bare JID of the client.
bool Established::IsOwn(std::string_view client_from) const {
  if (client_from.empty() || client_from == session_->jid().str()) return true;
  const auto from = xmpp::Jid::Parse(xml::Unescape(client_from));
  return from && (*from == session_->jid() || from->str() == session_->jid().bare());
}

bool Established::Answer(const xmpp::ParsedStanza& stanza) {
  const auto& envelope = *stanza.envelope;
  if (stanza.error) {
    if (const auto error = xmpp::MakeError(envelope, *stanza.error)) session_->Write(error->stanza());
    return true;
  }
  if (envelope.kind() == link::v1::KIND_PRESENCE) return RefuseLargePresence(stanza);
  if (envelope.kind() != link::v1::KIND_IQ) return false;
  if (IsPong(envelope, stream_.host().domain)) return true;
  if (IsPing(envelope, stream_.host().domain)) return AnswerPing(envelope);
  const bool ours = envelope.to().empty() || envelope.to() == stream_.host().domain;
  if (!ours || envelope.type() != link::v1::TYPE_SET) return false;
  if (envelope.payload_ns() == kBindNs) {
    // RFC 6120 7.1: one resource per stream.
    const auto error = xmpp::MakeError(envelope, xmpp::NotAllowed("a resource is bound already"));
    session_->Write(error->stanza());
    return true;
  }
  if (envelope.payload_ns() == kSessionNs) {
    // RFC 3921 section 3: nothing is left to do.
    session_->Write(xmpp::MakeResult(envelope, {}).stanza());
    return true;
  }
  return false;
}

// What it asks is whether its stream and the server are there. A router answers instead, in its turn, as long as
// something that the client said before is not settled, and while it is in doubt whose the session is, or whether
// another edge has answered; and without a router the server is not there. Without Redis, too: after our death the
// answer would be missing in the queue.
bool Established::AnswerPing(const xmpp::Envelope& ping) {
  if (!session_->uplink().idle() || !session_->certain() || !stream_.context().routers.available()) return false;
  auto* management = session_->management();
  if (management && (management->MayBeRepeat(ping.origin_seq()) || management->outbound().queue().down())) return false;
  stream_.context().metrics.pings_answered.Increment();
  auto pong = xmpp::MakeResult(ping, {});
  pong.set_answers(ping.origin_seq());
  session_->WriteOwn(std::move(pong));
  return true;
}

// It becomes as many copies as there are contacts.
bool Established::RefuseLargePresence(const xmpp::ParsedStanza& stanza) {
  const auto& presence = *stanza.envelope;
  const auto limit = stream_.context().config.c2s.max_presence_bytes;
  if (presence.stanza().size() <= limit) return false;
  stream_.context().metrics.limits.Add("presence_size");
  const auto error = xmpp::NotAcceptable("presence may have " + std::to_string(limit) + " bytes");
  if (const auto answer = xmpp::MakeError(presence, error)) session_->Write(answer->stanza());
  return true;
}

// XEP-0198
void Established::TakeElement(const xml::Child& child) {
  const auto name = child.start.local_name;
  if (name == "enable" && !session_->management()) {
    enabling_ = std::make_shared<Enable>(stream_, session_);
    return enabling_->Start(child.start);
  }
  if (name == "enable" || name == "resume" || !session_->management()) {
    stream_.Write(SmFailed("unexpected-request"));
    // Section 3: who enables it twice may count from either.
    if (name == "enable") stream_.Fail(xmpp::StreamError("policy-violation", "stream management is enabled already"));
    return;
  }
  if (name == "r") return session_->management()->acks().OnRequest();
  if (name == "a") return Acknowledge(child);
  stream_.Fail(xmpp::StreamError("unsupported-stanza-type"));
}

void Established::Acknowledge(const xml::Child& child) {
  auto& outbound = session_->management()->outbound();
  const auto handled = SmNumber(child.start, "h");
  if (!handled) return stream_.Fail(xmpp::StreamError("bad-format", "an acknowledgement without a number"));
  if (outbound.Acknowledge(*handled) == Outbound::Verdict::kTooHigh) {
    return stream_.Fail(SmTooHigh(*handled, outbound.sent()));
  }
  session_->management()->acks().OnAnswer(outbound.unacked().size());
}

void Established::OnSilence() {
  if (session_->management()) return session_->management()->acks().Request();
  session_->Write(PingStanza(stream_.host().domain));
}

// RFC 6120 4.4: until we close our side, too, it hears what comes of what it said.
void Established::OnLeave(std::function<void()> done) { session_->departure().WhenSettled(std::move(done)); }

void Established::OnEnd(std::string_view reason) { session_->OnStreamEnd(stream_, reason); }

}  // namespace parley::c2s

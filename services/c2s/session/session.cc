#include "services/c2s/session/session.h"

#include <charconv>
#include <chrono>
#include <utility>

#include "libs/base/log.h"
#include "libs/xml/element.h"
#include "libs/xmpp/stanza.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

// What a router may deliver before its answer to the bind is read: the same frame, at most.
constexpr std::size_t kMaxEarlyBytes = 1 << 20;

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// StreamError takes conditions of static storage.
std::string_view KnownCondition(std::string_view condition) {
  static constexpr std::string_view kKnown[] = {"conflict", "not-authorized",      "policy-violation",
                                                "reset",    "resource-constraint", "system-shutdown"};
  for (const auto known : kKnown) {
    if (known == condition) return known;
  }
  return "undefined-condition";
}

// RFC 6121 4.7.2.3
std::int32_t PriorityOf(const std::string& presence) {
  const auto element = xml::Element::Parse(presence);
  const auto* priority = element ? element->Find("priority", "jabber:client") : nullptr;
  if (!priority) return 0;
  const std::string text = priority->text();
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value >= -128 && value <= 127 ? value : 0;
}

}  // namespace

Session::Session(Context& context, Stream& stream, std::string id)
    : context_(context),
      stream_(&stream),
      uplink_(*this, context),
      id_(std::move(id)),
      jid_(stream.identity()->account),
      mechanism_(stream.identity()->mechanism),
      anonymous_(stream.identity()->anonymous) {}

Session::~Session() {
  if (state_ == State::kEnded) context_.metrics.sessions_ending.Decrement();
}

void Session::Activate(xmpp::Jid jid) {
  state_ = State::kBound;
  jid_ = std::move(jid);
  bound_at_ = NowMs();
  context_.metrics.sessions_bound.Increment();
  if (!early_.empty()) stream_->Write(std::exchange(early_, {}));
}

// Upstream

void Session::Submit(xmpp::Envelope envelope) {
  Note(envelope);
  envelope.set_origin(id_);
  uplink_.Send(std::make_unique<xmpp::Envelope>(std::move(envelope)));
  if (!uplink_.ready() && stream_) stream_->Hold(Stream::Pause::kUplink);
}

void Session::Note(const xmpp::Envelope& envelope) {
  if (envelope.kind() == link::v1::KIND_PRESENCE && envelope.to().empty()) {
    if (envelope.type() == link::v1::TYPE_AVAILABLE) presence_ = envelope.stanza();
    if (envelope.type() == link::v1::TYPE_UNAVAILABLE) presence_.clear();
    presence_seq_ = envelope.origin_seq();
  }
  if (envelope.type() == link::v1::TYPE_GET && envelope.payload_ns() == "jabber:iq:roster") interested_ = true;
}

void Session::OnSettled(std::uint64_t seq) {
  uplink_.Settle(seq);
  if (state_ == State::kEnded && uplink_.idle()) context_.sessions.Forget(*this);
}

void Session::OnUplinkReady() {
  if (stream_) stream_->Release(Stream::Pause::kUplink);
}

void Session::OnUndeliverable(const xmpp::Envelope& envelope, const xmpp::StanzaError& error) {
  if (!uplink_.TakeAnswer(envelope.origin_seq(), Uplink::Delivery::kRepeat)) return;
  if (const auto answer = xmpp::MakeError(envelope, error)) Write(answer->stanza());
  // Reading on is what lets the others be answered, too.
  uplink_.OnWritable();
}

// Downstream

rpc::RefusalReason Session::Deliver(const xmpp::Envelope& envelope) {
  if (state_ == State::kEnded || !stream_->open()) return link::v1::REFUSAL_REASON_NO_SESSION;
  const auto delivery = envelope.repeat() ? Uplink::Delivery::kRepeat : Uplink::Delivery::kFirst;
  if (envelope.answers() != 0 && !uplink_.TakeAnswer(envelope.answers(), delivery)) {
    context_.metrics.repeats_dropped.Increment();
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  const std::size_t size = envelope.stanza().size();
  if (state_ == State::kBinding) {
    if (early_.size() + size > kMaxEarlyBytes) return link::v1::REFUSAL_REASON_OVERLOADED;
    early_ += envelope.stanza();
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  if (stream_->queued() + size > context_.config.c2s.max_outbound_bytes) {
    context_.metrics.limits.Add("outbound_bytes");
    return link::v1::REFUSAL_REASON_OVERLOADED;
  }
  context_.metrics.stanzas_out.Add(envelope.kind());
  stream_->Write(envelope.stanza());
  return link::v1::REFUSAL_REASON_UNSPECIFIED;
}

void Session::Write(std::string_view stanza) {
  if (stream_) stream_->Write(stanza);
}

void Session::Disconnect(const link::v1::Disconnect& request) {
  if (stream_) stream_->Fail(xmpp::StreamError(KnownCondition(request.condition()), request.text()));
}

// The end

void Session::End(std::string_view reason) {
  if (state_ == State::kEnded) return;
  const auto keep = shared_from_this();
  if (state_ == State::kBound) context_.metrics.sessions_bound.Decrement();
  context_.metrics.sessions_ending.Increment();
  log::Info("session_ended", {{"session", id_}, {"jid", jid_.str()}, {"reason", reason}});
  state_ = State::kEnded;
  stream_ = nullptr;
  context_.sessions.Remove(*this);
  auto envelope = std::make_unique<xmpp::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(jid_.str());
  envelope->set_session(id_);
  envelope->set_origin(id_);
  envelope->set_origin_seq(uplink_.Number());
  auto* ended = envelope->mutable_session_ended();
  ended->set_reason(std::string(reason));
  ended->set_node(context_.node.instance());
  ended->set_node_epoch(context_.node.epoch());
  uplink_.Send(std::move(envelope));
}

session::v1::Record Session::ToRecord() const {
  session::v1::Record record;
  record.set_resource(std::string(jid_.resource()));
  record.set_session(id_);
  record.set_node(context_.node.instance());
  record.set_node_epoch(context_.node.epoch());
  record.set_interested(interested_);
  record.set_presence(presence_);
  record.set_priority(presence_.empty() ? 0 : PriorityOf(presence_));
  record.set_bound_at(bound_at_);
  if (stream_) record.set_address(stream_->address());
  record.set_mechanism(std::string(mechanism_));
  record.set_anonymous(anonymous_);
  return record;
}

}  // namespace parley::c2s

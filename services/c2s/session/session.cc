#include "services/c2s/session/session.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/xmpp/stanza.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

// StreamError takes conditions of static storage.
std::string_view KnownCondition(std::string_view condition) {
  static constexpr std::string_view kKnown[] = {"conflict", "not-authorized",      "policy-violation",
                                                "reset",    "resource-constraint", "system-shutdown"};
  for (const auto known : kKnown) {
    if (known == condition) return known;
  }
  return "undefined-condition";
}

// What says nothing against the client, but of the way to it.
bool IsResumable(std::string_view reason) {
  static constexpr std::string_view kReasons[] = {"lost",           "timeout", "connection-timeout", "system-shutdown",
                                                  "see-other-host", "reset",   "resource-constraint"};
  return std::find(std::begin(kReasons), std::end(kReasons), reason) != std::end(kReasons);
}

}  // namespace

Session::Session(Context& context, Stream* stream, const Identity& identity, std::string id)
    : context_(context),
      stream_(stream),
      uplink_(*this, context),
      id_(std::move(id)),
      number_(context.routers.NumberOfSession()),
      jid_(identity.account),
      early_(context),
      unanswered_(*this, context),
      departure_(*this, context),
      generation_(context.node.generation()),
      mechanism_(identity.mechanism),
      anonymous_(identity.anonymous) {}

bool Session::certain() const {
  const auto& node = context_.node;
  return node.held() && !node.stopped() && generation_ == node.generation();
}

// The usual case needs one look at the clock.
bool Session::in_doubt() const { return state_ != State::kEnded && context_.node.out() && !certain(); }

bool Session::MayAct() const {
  if (!in_doubt()) return true;
  // Without a router nobody puts it back, and its client would not hear that nobody takes what it says.
  return !management_ && (!context_.routers.available() || context_.node.without_redis());
}

bool Session::MayGo() const {
  if (!in_doubt()) return true;
  // Where a link has just broken the others may be about to: it comes back by the last, and waits in the ring.
  return !management_ && (context_.routers.available() || context_.node.without_redis());
}

void Session::Confirm() { generation_ = context_.node.generation(); }

Session::~Session() { Count(-1); }

bool Session::Change(Event event) {
  const auto next = life::Next(state_, event);
  context_.metrics.session_events.Add(next ? life::Name(event) : "impossible");
  if (!next) {
    log::Error("session_event_impossible",
               {{"session", id_}, {"state", life::Name(state_)}, {"event", life::Name(event)}});
    return false;
  }
  Count(-1);
  state_ = *next;
  Count(+1);
  return true;
}

void Session::Count(double change) {
  auto& metrics = context_.metrics;
  const auto count = [&](prometheus::Gauge& gauge, std::string_view state) {
    gauge.Increment(change);
    metrics.host_sessions.Add(jid_.domain(), state, change);
  };
  switch (state_) {
    case State::kBinding:
      break;
    case State::kBound:
      return count(metrics.sessions_bound, "bound");
    case State::kAway:
      return count(metrics.sessions_away, "away");
    case State::kEnded:
      return count(metrics.sessions_ending, "ending");
  }
}

void Session::Activate(xmpp::Jid jid) {
  if (!Change(Event::kBound)) return;
  jid_ = std::move(jid);
  bound_at_ = UnixMilliseconds();
  early_.Deliver();
}

// Its client may have hung up while it waited for the answer to its bind, and nobody reads its end before that answer:
// written to nobody a stanza would be lost.
bool Session::HasReader() const { return stream_->open() && (heard_ || !stream_->Abandoned()); }

void Session::Manage(Management::Terms terms) {
  management_ = std::make_unique<Management>(*this, context_, std::move(terms));
  uplink_.Hurry();  // what is handled is said behind what was sent before
  unanswered_.OnManaged();
}

void Session::Adopt(const session::v1::Record& record, session::QueueContents contents) {
  stream_ = nullptr;
  availability_.Adopt(record);
  interested_ = record.interested();
  bound_at_ = record.bound_at();
  if (auto jid = xmpp::Jid::Parse(std::string(jid_.bare()) + "/" + record.resource())) jid_ = std::move(*jid);
  Manage({.queue = record.queue(), .base = contents.header.base(), .resume_ms = record.resume_ms()});
  management_->Distrust(contents);
  uplink_.StartAfter(contents.header.handled());
  context_.routers.Remember(*this, contents);
  unanswered_.Adopt(contents.header);
  const bool settled = contents.header.settled();
  management_->outbound().Adopt(std::move(contents), record);
  auto& outbound = management_->outbound();
  for (const auto& request : outbound.unacked().UnansweredRequests()) unanswered_.NoteQueued(request);
  if (settled) outbound.queue().StoreHandled(StoredQueue::Close::kOpen, [](bool) {});
  Change(Event::kClaimed);
  management_->StartWaiting();
  early_.Deliver();
}

// Upstream

void Session::Submit(std::unique_ptr<xmpp::Envelope> stanza) {
  xmpp::Envelope& envelope = *stanza;
  const std::uint64_t number = envelope.origin_seq();
  unanswered_.NoteAnswer(envelope);
  if (management_ && management_->MayBeRepeat(number)) {
    if (management_->IsAnswered(number, envelope.id())) return OnSettled(number);
    envelope.set_repeat(true);
  }
  // Its client may have sent it to another edge, too, while we were out.
  if (management_ && !certain()) envelope.set_repeat(true);
  Note(envelope);
  envelope.set_origin(id_);
  std::unique_ptr<tracing::Span> span;
  if (context_.tracer.Sample()) [[unlikely]]
    span = StartTrace(envelope);
  uplink_.Send(std::move(stanza), std::move(span));
  Throttle();
}

void Session::Throttle() {
  if (uplink_.ready() || !stream_) return;
  stream_->Hold(Stream::Pause::kUplink);
  // It may be handled, and only Redis does not know yet.
  if (uplink_.TooFarAhead() && state_ == State::kBound) management_->acks().OnHandled();
}

// It ends when the routers have taken the stanza.
std::unique_ptr<tracing::Span> Session::StartTrace(xmpp::Envelope& envelope) {
  auto span = rpc::StartTrace(context_.tracer, "receive", envelope);
  span->Set("parley.session", id_);
  span->Set("parley.host", jid_.domain());
  return span;
}

void Session::Note(const xmpp::Envelope& envelope) {
  if (envelope.kind() == link::v1::KIND_PRESENCE) availability_.Note(envelope, context_.config.router.max_directed);
  if (envelope.type() == link::v1::TYPE_GET && envelope.payload_ns() == "jabber:iq:roster") interested_ = true;
}

void Session::OnSettled(std::uint64_t seq) {
  uplink_.Settle(seq);
  availability_.OnSettled(seq);
  unanswered_.OnSettled(seq);
  if (management_ && state_ == State::kBound) management_->acks().OnHandled();
  if (!uplink_.idle()) return;
  // Nobody asks, but if we die now the client is to be told what is handled. Who waits may have more to say of it.
  if (management_ && state_ == State::kAway) {
    management_->outbound().queue().StoreHandled(StoredQueue::Close::kOpen, [](bool) {});
  }
  departure_.OnIdle();
}

bool Session::paused() const { return stream_ != nullptr && stream_->paused(); }

void Session::OnUplinkReady() {
  if (stream_) stream_->Release(Stream::Pause::kUplink);
}

void Session::OnUndeliverable(const xmpp::Envelope& envelope, const xmpp::StanzaError& error) {
  if (!uplink_.TakeAnswer(envelope.origin_seq(), Uplink::Delivery::kRepeat)) return;
  if (auto answer = xmpp::MakeError(envelope, error)) {
    answer->set_answers(envelope.origin_seq());
    WriteOwn(std::move(*answer));
  }
  // Reading on is what lets the others be answered, too.
  uplink_.OnWritable();
}

void Session::FailStream(const xmpp::StreamError& error) {
  if (stream_) stream_->Fail(error);
}

void Session::Disconnect(const link::v1::Disconnect& request) {
  departure_.OnDismissed();
  if (!stream_) return End(Event::kDisconnected, request.condition());
  stream_->Fail(xmpp::StreamError(KnownCondition(request.condition()), request.text()));
}

// Away and back

void Session::OnStreamEnd(const Stream& stream, std::string_view reason) {
  if (stream_ != &stream) return;  // it has another one, or none
  if (!management_ || management_->resume_ms() == 0 || !IsResumable(reason)) return End(Event::kClosed, reason);
  log::Info("session_away", {{"session", id_}, {"jid", jid_.str()}, {"reason", reason}});
  Detach(Event::kDetached);
}

void Session::Detach(Event event) {
  stream_ = nullptr;
  if (!Change(event)) return;
  management_->acks().Detach();
  management_->StartWaiting();
}

void Session::Replace(const std::string& text) {
  auto* stream = stream_;
  if (!stream) return;
  Detach(Event::kReplaced);
  stream->Fail(xmpp::StreamError("conflict", text));
}

bool Session::Attach(Stream& stream, std::uint32_t handled) {
  auto& outbound = management_->outbound();
  outbound.CountFrom(handled);
  if (outbound.Acknowledge(handled) == Outbound::Verdict::kTooHigh || !Change(Event::kResumed)) return false;
  management_->StopWaiting();
  departure_.OnReturn();
  uplink_.StartAfter(outbound.queue().stored());
  stream_ = &stream;
  WriteElement(SmResumed(id_, management_->Count(outbound.queue().stored())));
  outbound.Attach();
  if (!uplink_.ready()) stream.Hold(Stream::Pause::kUplink);
  return true;
}

bool Session::Leave(Event event) {
  if (!Change(event)) return false;
  stream_ = nullptr;
  if (management_) {
    management_->StopWaiting();
    management_->acks().Detach();
  }
  early_.Refuse();
  context_.sessions.Remove(*this);
  return true;
}

void Session::OnRestored() {
  Confirm();
  uplink_.Pump();
  if (management_ && state_ != State::kEnded) management_->outbound().queue().OnRestored();
}

session::v1::Record Session::ToRecord() const {
  session::v1::Record record;
  record.set_resource(std::string(jid_.resource()));
  record.set_session(id_);
  record.set_node(context_.node.instance());
  record.set_node_epoch(context_.node.epoch());
  record.set_interested(interested_);
  availability_.Fill(record);
  record.set_bound_at(bound_at_);
  if (stream_) record.set_address(stream_->address());
  record.set_mechanism(std::string(mechanism_));
  record.set_anonymous(anonymous_);
  if (management_) {
    record.set_queue(management_->outbound().queue().name());
    record.set_resume_ms(management_->resume_ms());
  }
  return record;
}

}  // namespace parley::c2s

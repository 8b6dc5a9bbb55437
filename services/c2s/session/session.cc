#include "services/c2s/session/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/unix_time.h"
#include "libs/rpc/trace.h"
#include "libs/session/asked.h"
#include "libs/xmpp/stanza.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

// What a router may deliver before its answer to a bind or resumption is read, and the queue is.
constexpr std::size_t kMaxEarly = 1000;

// StreamError takes conditions of static storage.
std::string_view KnownCondition(std::string_view condition) {
  static constexpr std::string_view kKnown[] = {"conflict", "not-authorized",      "policy-violation",
                                                "reset",    "resource-constraint", "system-shutdown"};
  for (const auto known : kKnown) {
    if (known == condition) return known;
  }
  return "undefined-condition";
}

}  // namespace

Session::Session(Context& context, Stream* stream, const Identity& identity, std::string id)
    : context_(context),
      stream_(stream),
      uplink_(*this, context),
      id_(std::move(id)),
      jid_(identity.account),
      generation_(context.node.generation()),
      mechanism_(identity.mechanism),
      anonymous_(identity.anonymous) {}

bool Session::certain() const {
  const auto& node = context_.node;
  return node.held() && !node.stopped() && generation_ == node.generation();
}

bool Session::MayAct() const {
  const bool claimable = management_ && state_ != State::kEnded;
  return !claimable || !context_.node.out() || certain();  // the usual case needs one look at the clock
}

void Session::Confirm() { generation_ = context_.node.generation(); }

Session::~Session() { Count(-1); }

void Session::SetState(State state) {
  Count(-1);
  state_ = state;
  Count(+1);
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
  SetState(State::kBound);
  jid_ = std::move(jid);
  bound_at_ = UnixMilliseconds();
  // Its client may have hung up while it waited: written to nobody it would be lost.
  stream_->Abandoned() ? RefuseEarly() : TakeEarly();
}

void Session::TakeEarly() {
  for (auto& early : std::exchange(early_, {})) {
    context_.routers.Deliver(std::move(early.envelope), std::move(early.receipt));
  }
}

void Session::RefuseEarly() {
  for (auto& early : std::exchange(early_, {})) early.receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
}

void Session::Manage(Management::Terms terms) {
  management_ = std::make_unique<Management>(*this, context_, std::move(terms));
  if (last_request_ == 0) return;
  management_->outbound().UpdateHeader();  // names them from now on
  session::ForgetAllAsked(context_.redis, session::AskedKey(jid_.bare(), id_));
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
  for (const auto& asked : contents.header.asked()) {
    requests_.Note({asked.id(), asked.from()}, context_.config.c2s.max_unanswered_bytes);
  }
  for (const auto& asked : contents.header.answering()) {
    if (asked.answer() <= contents.header.handled()) continue;
    uplink_.NoteTaken(asked.answer());
    requests_.Note({asked.id(), asked.from(), 0, asked.answer()}, context_.config.c2s.max_unanswered_bytes);
  }
  const bool settled = contents.header.settled();
  management_->outbound().Adopt(std::move(contents));
  for (const auto& request : management_->outbound().UnansweredRequests()) NoteQueued(request);
  if (settled) management_->outbound().StoreHandled(Outbound::Close::kOpen, [](bool) {});
  SetState(State::kAway);
  management_->StartWaiting();
  TakeEarly();
}

// Upstream

void Session::Submit(std::unique_ptr<xmpp::Envelope> stanza) {
  xmpp::Envelope& envelope = *stanza;
  const std::uint64_t number = envelope.origin_seq();
  NoteAnswer(envelope);
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
  if (!uplink_.ready() && stream_) stream_->Hold(Stream::Pause::kUplink);
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
  if (const auto answered = requests_.Settle(seq)) ForgetInRedis(*answered);
  if (management_ && state_ == State::kBound) management_->acks().OnHandled();
  if (!uplink_.idle()) return;
  // Nobody asks, but if we die now the client is to be told what is handled. Who waits may have more to say of it.
  if (management_ && state_ == State::kAway) management_->outbound().StoreHandled(Outbound::Close::kOpen, [](bool) {});
  for (const auto& idle : std::exchange(on_idle_, {})) idle();
  if (told_) context_.sessions.Forget(*this);
}

// Not from inside OnSettled(): what comes of it may end the session.
void Session::WhenSettled(std::function<void()> done) {
  if (uplink_.idle()) return done();
  on_idle_.push_back([this, done = std::move(done)] { context_.loop.AtEndOfTurn(done); });
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

// Downstream

void Session::Keep(std::unique_ptr<xmpp::Envelope> envelope, rpc::Receipt receipt) {
  if (early_.size() >= kMaxEarly) {
    context_.metrics.deliveries_refused.Add("overloaded");
    return receipt.Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  }
  early_.push_back(Early{std::move(envelope), std::move(receipt)});
}

rpc::RefusalReason Session::Deliver(std::unique_ptr<xmpp::Envelope>& envelope, rpc::Receipt& receipt) {
  if (!management_ && !stream_->open()) return link::v1::REFUSAL_REASON_NO_SESSION;
  const auto delivery = envelope->repeat() ? Uplink::Delivery::kRepeat : Uplink::Delivery::kFirst;
  if (envelope->answers() != 0 && !uplink_.TakeAnswer(envelope->answers(), delivery)) {
    context_.metrics.repeats_dropped.Increment();
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  if (envelope->answers() != 0) availability_.OnRefused(envelope->answers(), *envelope);
  const std::size_t size = envelope->stanza().size();
  if (management_) {
    if (!management_->outbound().Fits(size)) return Overflow();
    NoteRequest(*envelope, rpc::Receipt());
    management_->outbound().Push(std::move(envelope), std::move(receipt));
    return link::v1::REFUSAL_REASON_UNSPECIFIED;
  }
  if (stream_->queued() + size > context_.config.c2s.max_outbound_bytes) {
    context_.metrics.limits.Add("outbound_bytes");
    return link::v1::REFUSAL_REASON_OVERLOADED;
  }
  context_.metrics.stanzas_out.Add(envelope->kind());
  stream_->Write(envelope->stanza());
  NoteRequest(*envelope, std::move(receipt));
  return link::v1::REFUSAL_REASON_UNSPECIFIED;
}

// Without stream management Redis is told, so that a router answers should we die; the request stays the sender's until
// it is.
void Session::NoteRequest(const xmpp::Envelope& envelope, rpc::Receipt receipt) {
  if (!IsRequestOfOthers(envelope)) return;
  Requests::Request request{envelope.id(), envelope.from()};
  if (!management_) {
    request.number = ++last_request_;
    session::v1::Asked asked;
    asked.set_id(envelope.id());
    asked.set_from(envelope.from());
    asked.set_origin(envelope.origin());
    asked.set_origin_seq(envelope.origin_seq());
    auto noted = [receipt = std::move(receipt)]() mutable { receipt = rpc::Receipt(); };
    session::NoteAsked(context_.redis, session::AskedKey(jid_.bare(), id_), request.number, asked, std::move(noted));
  }
  const auto forgotten = requests_.Note(std::move(request), context_.config.c2s.max_unanswered_bytes);
  if (!forgotten.empty()) context_.metrics.limits.Add("unanswered");
  for (const auto& each : forgotten) ForgetInRedis(each);
}

// Before the answer goes on, Redis knows of it: else who answers for us, should we die, answers once more.
void Session::NoteAnswer(const xmpp::Envelope& envelope) {
  const auto* answered = requests_.Answer(envelope);
  if (!answered) return;
  const std::uint64_t number = envelope.origin_seq();
  uplink_.HoldFrom(number);
  auto noted = [number](Session& self) { self.uplink_.Release(number); };
  if (management_) {
    auto& outbound = management_->outbound();
    outbound.MarkReplied(envelope.id(), envelope.to());
    outbound.StoreHandled(Outbound::Close::kOpen, [noted = WhileAlive(shared_from_this(), noted)](bool) { noted(); });
  } else {
    session::NoteAnswer(context_.redis, session::AskedKey(jid_.bare(), id_), answered->number, number,
                        WhileAlive(shared_from_this(), noted));
  }
}

void Session::ForgetInRedis(const Requests::Request& request) {
  if (request.number == 0 || management_) return;
  session::ForgetAsked(context_.redis, session::AskedKey(jid_.bare(), id_), request.number);
}

// What the client has not acknowledged, and what would come now, is dealt with as for one who is not there.
rpc::RefusalReason Session::Overflow() {
  context_.metrics.limits.Add("sm_queue");
  FailStream(xmpp::StreamError("resource-constraint", "too much is unacknowledged"));
  End("queue full");
  return link::v1::REFUSAL_REASON_NO_SESSION;
}

void Session::Write(std::string_view stanza) {
  xmpp::Envelope envelope;
  envelope.set_kind(link::v1::KIND_IQ);
  envelope.set_stanza(stanza.data(), stanza.size());
  WriteOwn(std::move(envelope));
}

void Session::WriteOwn(xmpp::Envelope envelope) {
  if (!management_) return WriteElement(envelope.stanza());
  if (!management_->outbound().Fits(envelope.stanza().size())) {
    Overflow();
    return;
  }
  management_->outbound().Push(std::make_unique<xmpp::Envelope>(std::move(envelope)), rpc::Receipt());
}

void Session::WriteElement(std::string_view xml) {
  if (stream_) stream_->Write(xml);
}

void Session::WriteManaged(std::string_view stanza) {
  stream_->Write(stanza);
  management_->acks().OnWritten(stanza.size());
}

void Session::FailStream(const xmpp::StreamError& error) {
  if (stream_) stream_->Fail(error);
}

void Session::Disconnect(const link::v1::Disconnect& request) {
  if (!stream_) return End(request.condition());
  stream_->Fail(xmpp::StreamError(KnownCondition(request.condition()), request.text()));
}

// Away and back

// What says nothing against the client, but of the way to it.
bool Session::Resumable(std::string_view reason) {
  static constexpr std::string_view kReasons[] = {"lost",           "timeout", "connection-timeout", "system-shutdown",
                                                  "see-other-host", "reset",   "resource-constraint"};
  return std::find(std::begin(kReasons), std::end(kReasons), reason) != std::end(kReasons);
}

void Session::OnStreamEnd(const Stream& stream, std::string_view reason) {
  if (stream_ != &stream) return;  // it has another one, or none
  if (!management_ || management_->resume_ms() == 0 || !Resumable(reason)) return End(reason);
  log::Info("session_away", {{"session", id_}, {"jid", jid_.str()}, {"reason", reason}});
  Detach();
}

void Session::Detach() {
  stream_ = nullptr;
  SetState(State::kAway);
  management_->acks().Detach();
  management_->StartWaiting();
}

void Session::Replace(const std::string& text) {
  auto* stream = stream_;
  if (!stream) return;
  Detach();
  stream->Fail(xmpp::StreamError("conflict", text));
}

bool Session::Attach(Stream& stream, std::uint32_t handled) {
  auto& outbound = management_->outbound();
  if (outbound.Acknowledge(handled) == Outbound::Verdict::kTooHigh) return false;
  management_->StopWaiting();
  // From now on more may be passed on than is noted.
  if (std::exchange(settled_, false)) outbound.StoreHandled(Outbound::Close::kOpen, [](bool) {});
  settling_ = false;
  uplink_.StartAfter(outbound.stored());
  stream_ = &stream;
  SetState(State::kBound);
  WriteElement(SmResumed(id_, management_->Count(outbound.stored())));
  outbound.Attach();
  if (!uplink_.ready()) stream.Hold(Stream::Pause::kUplink);
  return true;
}

void Session::Quiesce(Outbound::Close close, std::function<void(bool)> done) {
  auto store = [close, done = std::move(done)](Session& self) {
    const auto logged = [done](Session& noted) { done(noted.management_->outbound().logged()); };
    const auto stored = [logged, done](Session& asked, bool noted) {
      if (!noted) return done(false);
      asked.management_->outbound().WhenLogged(WhileAlive(asked.shared_from_this(), logged));
    };
    self.management_->outbound().StoreHandled(close, WhileAlive(self.shared_from_this(), stored));
  };
  auto logged = [store](Session& self) {
    auto idle = WhileAlive(self.shared_from_this(), store);
    if (self.uplink_.idle()) return idle();
    self.on_idle_.push_back(std::move(idle));
    auto stop = [](Session& late) {
      for (const auto& waiting : std::exchange(late.on_idle_, {})) waiting();
    };
    self.patience_ =
        self.context_.loop.After(self.context_.config.c2s.order_timeout, WhileAlive(self.shared_from_this(), stop));
  };
  management_->outbound().Verify(WhileAlive(shared_from_this(), logged));
}

bool Session::Settle() {
  if (!std::exchange(settling_, true)) {
    auto noted = [](Session& self, bool done) {
      self.settled_ = done;
      self.settling_ = done;  // else once more
    };
    Quiesce(Outbound::Close::kSettled, WhileAlive(shared_from_this(), noted));
  }
  return settled_;
}

// The end

void Session::HandOver(const std::string& queue, rpc::Receipt receipt) {
  if (!management_ || queue != management_->outbound().queue()) {
    // What we have only just claimed is claimed by another.
    if (state_ == State::kBinding && claim_ == queue) Forget();
    return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  }
  Replace("resumed by another connection");
  auto quiet = [receipt](Session& self, bool noted) {
    if (noted) return self.FinishHandOver(receipt);
    rpc::Receipt(receipt).Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  };
  Quiesce(Outbound::Close::kSettled, WhileAlive(shared_from_this(), quiet));
}

void Session::FinishHandOver(rpc::Receipt receipt) {
  if (state_ == State::kEnded) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  log::Info("session_handed_over", {{"session", id_}, {"jid", jid_.str()}});
  context_.metrics.sm_handovers.Increment();
  const auto keep = shared_from_this();
  Replace("resumed by another connection");  // it may have come back meanwhile
  Leave();
  uplink_.Drop();
  told_ = true;
  if (uplink_.idle()) context_.sessions.Forget(*this);
}

void Session::Leave() {
  SetState(State::kEnded);
  stream_ = nullptr;
  if (management_) {
    management_->StopWaiting();
    management_->acks().Detach();
  }
  RefuseEarly();
  context_.sessions.Remove(*this);
}

void Session::End(std::string_view reason) {
  if (state_ == State::kEnded) return;
  const auto keep = shared_from_this();
  log::Info("session_ended", {{"session", id_}, {"jid", jid_.str()}, {"reason", reason}});
  Leave();
  uplink_.Pump();
  if (!management_) return EndUnmanaged(std::string(reason));
  // The router is to find in the queue all that we took, for the client and from it. Should we not get to say that we
  // answer the client's requests, it does.
  Quiesce(Outbound::Close::kSettled, [keep, reason = std::string(reason), requests = requests_.Take()](bool noted) {
    if (noted) keep->AnswerRequests(requests);
    keep->SayEnded(reason);
    keep->management_->outbound().GiveBack();
  });
}

void Session::EndUnmanaged(const std::string& reason) {
  auto requests = requests_.Take();
  if (requests.empty()) return SayEnded(reason);
  auto taken = [keep = shared_from_this(), reason,
                requests = std::move(requests)](const Result<storage::Reply>& reply) {
    const bool by_router = reply && reply->items.empty();
    if (!by_router) keep->AnswerRequests(requests);
    keep->SayEnded(reason);
  };
  const std::string key = session::AskedKey(jid_.bare(), id_);
  context_.redis.Eval(session::TakeAskedScript(), {key}, {}, std::move(taken));
}

// RFC 6120 8.2.3. Those that a client with stream management has not acknowledged are in its queue: the router answers.
void Session::AnswerRequests(const std::vector<Requests::Request>& requests) {
  for (const auto& request : requests) {
    if (management_ && management_->outbound().Holds(request.id, request.from)) continue;
    xmpp::Envelope answer = AnswerFor(jid_.str(), request, xmpp::ServiceUnavailable());
    answer.set_origin(id_);
    answer.set_origin_seq(uplink_.NumberOfOurOwn());
    uplink_.Send(std::make_unique<xmpp::Envelope>(std::move(answer)));
  }
}

void Session::SayEnded(const std::string& reason) {
  told_ = true;
  auto envelope = std::make_unique<xmpp::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(jid_.str());
  envelope->set_session(id_);
  envelope->set_origin(id_);
  envelope->set_origin_seq(uplink_.NumberOfOurOwn());
  auto* ended = envelope->mutable_session_ended();
  ended->set_reason(reason);
  ended->set_node(context_.node.instance());
  // Under which lease the routers have it, if it was not put back yet, they know.
  if (certain()) ended->set_node_epoch(context_.node.epoch());
  ended->set_queue(management_ ? management_->outbound().queue() : claim_);
  uplink_.Send(std::move(envelope));
}

void Session::Forget() {
  const auto keep = shared_from_this();
  Leave();
  context_.sessions.Forget(*this);
}

void Session::LetGo() {
  const auto keep = shared_from_this();
  Leave();
  SayEnded("left");
}

void Session::OnRestored() {
  Confirm();
  uplink_.Pump();
  if (management_ && state_ != State::kEnded) management_->outbound().OnRestored();
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
    record.set_queue(management_->outbound().queue());
    record.set_resume_ms(management_->resume_ms());
  }
  return record;
}

}  // namespace parley::c2s

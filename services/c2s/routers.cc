#include "services/c2s/routers.h"

#include <utility>

#include "libs/base/coarse_clock.h"
#include "libs/base/log.h"
#include "libs/rpc/trace.h"
#include "libs/session/acknowledged.h"
#include "libs/xmpp/errors.h"
#include "services/c2s/session/route.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::seconds kDeferredRetry{1};

xmpp::StanzaError ErrorFor(rpc::RefusalReason reason) {
  if (reason == link::v1::REFUSAL_REASON_OVERLOADED) return xmpp::ResourceConstraint("the server is busy");
  return xmpp::RemoteServerTimeout("the server cannot route this now");
}

void Describe(tracing::Span& span, const Session& session) {
  const bool here = session.state() == Session::State::kBound;
  span.Set(tracing::kOutcome, here ? "written" : "queued");
  span.Set("parley.session", session.id());
  span.Set("parley.host", session.jid().domain());
}

// Presence, controls and answers have nobody who would understand an error, and are wanted late rather than never: who
// asked would wait for ever (RFC 6120 8.2.3).
bool WorthKeeping(const rpc::Envelope& envelope) {
  return envelope.kind() == link::v1::KIND_CONTROL || envelope.kind() == link::v1::KIND_PRESENCE || IsAnswer(envelope);
}

bool IsMessage(const rpc::Envelope& envelope) { return envelope.kind() == link::v1::KIND_MESSAGE; }

// What was stored may be older than all that came from its sender since, and new all the same; and once we have taken
// it, it is deleted. So it is known by itself: among its sender's latest, or, as each stretch of its sender's numbers
// is an origin of its own, among these. There, noted is also what was given to the session otherwise and may be in the
// store all the same: what its sender has sent again, and what a router has put into the queue of a session without an
// edge.
session::Mark MarkOfKept(session::Mark mark) {
  if (mark.origin == 0) return mark;
  const std::uint64_t stretch = mark.seq / LatestNumbers::kCount + 1;
  return {mark.origin ^ (stretch * 0x9e3779b97f4a7c15), mark.seq};
}

}  // namespace

Routers::Routers(Loop& loop, rpc::Self self, const Options& options, SessionTable& sessions, Metrics& metrics,
                 const tracing::Tracer& tracer)
    : sessions_(sessions),
      metrics_(metrics),
      tracer_(tracer),
      max_deferred_(options.max_deferred),
      repeats_(options.max_repeats_remembered, options.repeat_memory),
      loop_(loop),
      ring_(loop, std::move(self), options.ring, *this),
      retrying_(loop.Every(kDeferredRetry, [this] { SendDeferred(); })) {}

Routers::~Routers() {
  *alive_ = nullptr;
  for (auto& held : deferred_) held.receipt.Abandon();  // else their sessions would send more
}

// Towards the routers

bool Routers::Send(std::string_view key, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  if (!given_up_) return ring_.Send(key, std::move(envelope), std::move(receipt));
  GiveBack(std::move(envelope), std::move(receipt));
  return false;
}

// Never from inside Send().
void Routers::GiveBack(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  // Shared only because a std::function must be copyable.
  auto held = std::make_shared<rpc::Held>(rpc::Held{std::move(envelope), std::move(receipt)});
  loop_.Post([alive = alive_, held] {
    if (*alive) (*alive)->OnUndeliverable(std::move(*held), link::v1::REFUSAL_REASON_UNSPECIFIED);
  });
}

void Routers::Ask(std::string_view key, std::string body, std::chrono::milliseconds timeout, rpc::Link::Done done) {
  ring_.Ask(key, std::move(body), timeout, std::move(done));
}

bool Routers::available() const { return ring_.available(); }
void Routers::AnnounceDraining() { ring_.AnnounceDraining(); }
std::size_t Routers::unacknowledged() const { return ring_.unacknowledged() + deferred_.size(); }
void Routers::WaitWritable(std::shared_ptr<Session> session) { waiting_.push_back(std::move(session)); }
void Routers::OnWritable() { WakeWaiting(); }

void Routers::WakeWaiting() {
  for (const auto& waiting : std::exchange(waiting_, {})) {
    if (const auto session = waiting.lock()) session->uplink().OnWritable();
  }
}

void Routers::OnAvailability(bool available) {
  if (available_) available_(available);
  if (!available) return log::Warn("routers_gone");
  log::Info("routers_available");
  given_up_ = false;
  SendDeferred();
  WakeWaiting();
}

bool Routers::MayGo(const rpc::Envelope& envelope) {
  const auto* session = sessions_.Find(envelope.origin());
  return !session || session->MayGo();
}

void Routers::OnUndeliverable(rpc::Held held, rpc::RefusalReason reason) {
  metrics_.undeliverable.Increment();
  const auto& envelope = *held.envelope;
  auto* session = sessions_.Find(envelope.origin());
  if (TakenBack(held)) return;
  // What a session may not send now came back at once, and says nothing of how long the routers have been gone.
  if (reason == link::v1::REFUSAL_REASON_UNSPECIFIED && !ring_.available()) given_up_ = true;
  // A router that stops does not know our stanza, another will.
  const bool elsewhere = reason == link::v1::REFUSAL_REASON_DRAINING && ring_.available();
  const bool unknown = reason == link::v1::REFUSAL_REASON_NO_SESSION;
  // A client that is away would not hear of it, and need not: it sends again what is not handled.
  const bool away = session && session->state() == Session::State::kAway;
  // Whom we may not serve any more: what we answer is unknown where it resumes, and there it sends again.
  const bool in_doubt = session && session->management() && !session->certain();
  // Neither here nor there: nobody waits for what becomes of it.
  if (!session && unknown) return;
  if (unknown && !envelope.repeat()) return TryOnceMore(*session, std::move(held));
  if (!session || WorthKeeping(envelope) || elsewhere || away || in_doubt) return Defer(std::move(held));
  const auto error = ErrorFor(reason);
  if (auto* span = held.receipt.span()) span->Fail(error.condition());
  session->OnUndeliverable(envelope, error);
}

bool Routers::TakenBack(rpc::Held& held) {
  auto* session = sessions_.Find(held.envelope->origin());
  if (!session || session->MayAct() || !session->uplink().IsPending(held.envelope->origin_seq())) return false;
  session->uplink().TakeBack(std::move(held));
  return true;
}

// After the session is put back.
void Routers::TryOnceMore(Session& session, rpc::Held held) {
  if (unknown_) unknown_(session.shared_from_this());
  held.envelope->set_repeat(true);
  Defer(std::move(held));
}

void Routers::Defer(rpc::Held held) {
  if (deferred_.size() >= max_deferred_) {
    metrics_.limits.Add("deferred");
    log::Error("stanza_dropped", {{"session", held.envelope->origin()},
                                  {"reason", "too many are kept already"},
                                  tracing::TraceId(held.envelope->trace())});
    return;
  }
  deferred_.push_back(std::move(held));
  metrics_.deferred.Set(static_cast<double>(deferred_.size()));
}

void Routers::SendDeferred() {
  if (!ring_.available() || deferred_.empty()) return;
  for (auto& held : std::exchange(deferred_, {})) {
    if (Obsolete(*held.envelope) || TakenBack(held)) continue;
    held.envelope->set_repeat(true);
    const std::string key(KeyOf(*held.envelope));
    ring_.Send(key, std::move(held.envelope), std::move(held.receipt));
  }
  metrics_.deferred.Set(static_cast<double>(deferred_.size()));
}

// The client has said something else since, or its SessionEnded says it all.
bool Routers::Obsolete(const rpc::Envelope& envelope) const {
  if (envelope.kind() != link::v1::KIND_PRESENCE || !envelope.to().empty()) return false;
  const auto* session = sessions_.Find(envelope.origin());
  return !session || !session->IsLatestPresence(envelope.origin_seq());
}

// From the routers

void Routers::OnEnvelope(rpc::Link& link, std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  if (envelope->has_disconnect()) {
    if (auto* session = sessions_.Find(envelope->session())) session->Disconnect(envelope->disconnect());
    return;
  }
  if (envelope->has_hand_over()) return HandOver(*envelope, std::move(receipt));
  if (envelope->leg() == link::v1::LEG_DELIVER) {
    rpc::Follow(tracer_, "deliver", *envelope, receipt);
    return Deliver(std::move(envelope), std::move(receipt));
  }
  log::Warn("envelope_not_understood", {{"peer", link.peer().instance}});
}

void Routers::HandOver(const rpc::Envelope& envelope, rpc::Receipt receipt) {
  auto* session = sessions_.Find(envelope.session());
  if (!session) session = sessions_.FindEnding(envelope.session());
  if (!session) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  session->departure().HandOver(envelope.hand_over().queue(), std::move(receipt));
}

void Routers::Deliver(std::unique_ptr<rpc::Envelope> envelope, rpc::Receipt receipt) {
  auto* session = sessions_.Find(envelope->session());
  if (!session) {
    if (auto* ending = sessions_.FindEnding(envelope->session()))
      return ending->Refuse(std::move(envelope), std::move(receipt));
    metrics_.deliveries_refused.Add("no_session");
    return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  }
  if (session->state() == Session::State::kBinding && !envelope->kept())
    return session->Keep(std::move(envelope), std::move(receipt));
  if (envelope->batch_place() == 1) session->BeginBatch();
  const session::Mark mark = session::MarkOf(*envelope);
  const bool maybe_stored = envelope->kept() || (envelope->repeat() && IsMessage(*envelope));
  if (HadBefore(*session, *envelope, mark)) {
    metrics_.repeats_dropped.Increment();
    rpc::NoteOutcome(receipt, "repeat");
    return;
  }
  if (auto* span = receipt.span()) Describe(*span, *session);
  const auto refusal = session->Deliver(envelope, mark, receipt);
  if (refusal == link::v1::REFUSAL_REASON_UNSPECIFIED) {
    Remember(*session, mark);
    if (maybe_stored) Remember(*session, MarkOfKept(mark));
    return rpc::Recycle(std::move(envelope));  // a queue may have taken it
  }
  // If it was one too many, the session is over, and it is handled behind the others.
  const bool gone = refusal == link::v1::REFUSAL_REASON_NO_SESSION;
  if (auto* ending = gone ? sessions_.FindEnding(envelope->session()) : nullptr)
    return ending->Refuse(std::move(envelope), std::move(receipt));
  metrics_.deliveries_refused.Add(gone ? "no_session" : "overloaded");
  receipt.Refuse(refusal);
}

bool Routers::HadBefore(const Session& session, const rpc::Envelope& envelope, session::Mark mark) {
  const auto now = CoarseNow();
  if (mark.origin == 0) return false;
  if (envelope.kept()) {
    const auto kept = MarkOfKept(mark);
    return repeats_.SeenItself(mark.origin, session.number(), mark.seq, now) ||
           repeats_.Seen(kept.origin, session.number(), kept.seq, now);
  }
  // An ended session left what this one has had by itself. That is older than what its sender has said since.
  const auto first = session::FirstMarkOf(envelope);
  if (first.origin != 0 && repeats_.SeenItself(first.origin, session.number(), first.seq, now)) return true;
  // A router may have answered in place of a client whose answer was on its way.
  const bool doubtful = envelope.repeat() || (IsAnswer(envelope) && envelope.answers() == 0);
  if (!doubtful) return false;
  if (!session::IsNotedOneByOne(envelope)) return repeats_.Seen(mark.origin, session.number(), mark.seq, now);
  return repeats_.SeenOneByOne(mark.origin, session.number(), mark.seq, now) ||
         repeats_.SeenItself(session::OriginOfCopies(mark.origin), session.number(), mark.seq, now);
}

void Routers::Remember(const Session& session, const session::QueueContents& contents) {
  for (const auto& seen : contents.header.seen()) {
    const auto* copies = session::FindSeen(contents.header, session::OriginOfCopies(seen.origin()));
    const Repeats::Past past{session::Highest(seen), session::LatestAcknowledged(seen),
                             session::UnknownUpTo(seen, copies)};
    const auto kept = repeats_.NoteUpTo(seen.origin(), session.number(), past, CoarseNow());
    if (kept == Repeats::Kept::kShorter) metrics_.limits.Add("repeats_remembered");
  }
  for (const auto& queued : contents.stanzas) {
    RememberQueued(session, queued.envelope());
  }
}

void Routers::RememberQueued(const Session& session, const rpc::Envelope& envelope) {
  const session::Mark mark = session::MarkOf(envelope);
  Remember(session, mark);
  if (IsMessage(envelope)) Remember(session, MarkOfKept(mark));
}

void Routers::Remember(const Session& session, session::Mark mark) {
  if (mark.origin == 0) return;
  const auto kept = repeats_.Note(mark.origin, session.number(), mark.seq, CoarseNow());
  if (kept == Repeats::Kept::kShorter) metrics_.limits.Add("repeats_remembered");
}

void Routers::OnRequest(rpc::Link&, const std::string&, rpc::LinkHandler::Respond respond) {
  respond(Error("an edge answers no requests"));
}

}  // namespace parley::c2s

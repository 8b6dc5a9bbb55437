#include "services/c2s/session/uplink.h"

#include <algorithm>
#include <utility>

#include "libs/base/recycled.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"

namespace parley::c2s {

using link::v1::Envelope;

namespace {

// Room for what a person has under way at a time, 16 bytes.
constexpr std::size_t kKeptPending = 1;

// When it is wanted at once that a stanza is acknowledged.
enum class Urgent {
  kAlways,     // its client may ask whether it is taken, or somebody else
  kIfHurried,  // while more of its session waits for it
};

// What is owed to a session for one of its stanzas: to hear that it is taken.
class StanzaDebt final : public rpc::Receipt::Debt, public Recycled<StanzaDebt> {
 public:
  StanzaDebt(Session& session, std::uint64_t seq, Urgent urgent)
      : session_(session.weak_from_this()), seq_(seq), urgent_(urgent) {}
  bool unhurried() const override {
    if (urgent_ == Urgent::kAlways) return false;
    const auto session = session_.lock();
    return !session || !session->uplink().hurried();
  }

 private:
  void Settle(rpc::RefusalReason) override {
    if (const auto session = session_.lock()) session->OnSettled(seq_);
  }

  std::weak_ptr<Session> session_;
  std::uint64_t seq_;
  Urgent urgent_;
};

}  // namespace

Uplink::Uplink(Session& session, Context& context)
    : session_(session), context_(context), patience_(&Uplink::StopWaiting, this) {}

bool Uplink::full() const {
  const auto& config = context_.config.c2s;
  return pending_.size() >= config.max_unacknowledged || spreading_ >= config.max_unacknowledged_presences ||
         TooFarAhead();
}

// Who waited for Redis to come back would stop all conversations with it.
bool Uplink::TooFarAhead() const {
  auto* management = session_.management();
  if (!management) return false;
  const auto& queue = management->outbound().queue();
  return !queue.down() && !queue.lost() && last_ >= queue.stored() + context_.config.c2s.sm_max_unhandled;
}

void Uplink::CountLimit() {
  if (!full() || std::exchange(limit_counted_, true)) return;
  context_.metrics.limits.Add(TooFarAhead() ? "sm_unhandled" : "unacknowledged");
}

bool Uplink::MayWait() const {
  const bool for_order = held_from_ == 0 && session_.MayAct();
  return !for_order && waiting_.size() < context_.config.c2s.max_unacknowledged;
}

// ARCHITECTURE.md, "Order": what goes to other accounts by one way waits until what went by the other has arrived.
bool Uplink::Blocked(const Envelope& envelope, Route::Path path) const {
  if (!session_.MayAct()) return true;
  if (held_from_ != 0 && envelope.origin_seq() >= held_from_) return true;
  switch (path) {
    case Route::Path::kDirect:
      return spreading_ > 0;
    case Route::Path::kSpreading:
      return direct_ > 0;
    case Route::Path::kOther:
      break;
  }
  return false;
}

void Uplink::Send(std::unique_ptr<Envelope> envelope, std::unique_ptr<tracing::Span> span) {
  const Route route = RouteOf(*envelope, context_.config);
  envelope->set_leg(route.leg);
  const auto seq = envelope->origin_seq();
  // A client with stream management may ask at any time. A trace is to show how long the stanza took.
  const bool asked_for = envelope->kind() != link::v1::KIND_MESSAGE || session_.management() || span;
  const auto urgent = asked_for ? Urgent::kAlways : Urgent::kIfHurried;
  rpc::Held held{std::move(envelope), rpc::Receipt(std::make_unique<StanzaDebt>(session_, seq, urgent))};
  if (span) [[unlikely]]
    held.receipt.SetSpan(std::move(span));
  if (waiting_.empty() && !Blocked(*held.envelope, route.path)) return Forward(std::move(held), route);
  if (waiting_.empty()) context_.wheel.Arm(patience_, context_.config.c2s.order_timeout);
  waiting_.push_back(std::move(held));
  Hurry();
}

void Uplink::Hurry() {
  if (idle() || std::exchange(hurried_, true)) return;
  if (direct_ + other_ > 0) context_.routers.HurryOn();
}

void Uplink::Forward(rpc::Held held, const Route& route) {
  const auto seq = held.envelope->origin_seq();
  pending_.insert(FirstFrom(seq), Pending{seq, route.path, false});
  ++CountOf(route.path);
  CountLimit();
  if (pending_.size() >= context_.config.c2s.max_unacknowledged / 2) Hurry();  // in time
  const bool congested = context_.routers.Send(route.key, std::move(held.envelope), std::move(held.receipt));
  if (congested_ || !congested) return;
  congested_ = true;
  context_.routers.WaitWritable(session_.shared_from_this());
}

std::uint64_t Uplink::handled() const {
  std::uint64_t next = last_ + 1;
  if (!pending_.empty()) next = std::min(next, pending_.front().seq);
  if (!waiting_.empty()) next = std::min(next, waiting_.front().envelope->origin_seq());
  if (dropped_from_ != 0) next = std::min(next, dropped_from_);
  return next - 1;
}

void Uplink::Settle(std::uint64_t seq) {
  const auto found = Find(seq);
  if (found == pending_.end()) return;
  const bool was_ready = ready();
  --CountOf(found->path);
  pending_.erase(found);
  if (pending_.empty() && pending_.capacity() > kKeptPending) std::vector<Pending>().swap(pending_);
  limit_counted_ = false;
  if (idle()) hurried_ = false;
  // Not from here: the ring is in the middle of taking acknowledgements.
  if (!waiting_.empty()) {
    context_.loop.AtEndOfTurn(WhileAlive(session_.shared_from_this(), [](Session& self) { self.uplink().Pump(); }));
  }
  Changed(was_ready);
}

void Uplink::Pump() {
  const bool was_ready = ready();
  std::size_t sent = 0;
  for (; sent < waiting_.size(); ++sent) {
    const Route route = RouteOf(*waiting_[sent].envelope, context_.config);
    if (Blocked(*waiting_[sent].envelope, route.path)) break;
    Forward(std::move(waiting_[sent]), route);
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(sent));
  if (!waiting_.empty()) {
    if (sent > 0) context_.wheel.Arm(patience_, context_.config.c2s.order_timeout);
    return;
  }
  std::vector<rpc::Held>().swap(waiting_);
  patience_.Cancel();
  Changed(was_ready);
}

void Uplink::HoldFrom(std::uint64_t seq) {
  if (held_from_ == 0) held_from_ = seq;
  held_to_ = seq;
}

void Uplink::Release(std::uint64_t seq) {
  if (held_from_ == 0 || seq < held_from_) return;
  held_from_ = seq < held_to_ ? seq + 1 : 0;
  Pump();
}

void Uplink::TakeBack(rpc::Held held) {
  const bool was_ready = ready();
  const auto seq = held.envelope->origin_seq();
  const auto found = Find(seq);
  if (found->answered) return;  // which settles it
  --CountOf(found->path);
  pending_.erase(found);
  held.envelope->set_repeat(true);
  const auto later = [seq](const rpc::Held& other) { return other.envelope->origin_seq() > seq; };
  waiting_.insert(std::find_if(waiting_.begin(), waiting_.end(), later), std::move(held));
  if (!patience_.armed()) context_.wheel.Arm(patience_, context_.config.c2s.order_timeout);
  // Reading on is what lets the client leave.
  congested_ = false;
  Changed(was_ready);
}

void Uplink::Drop() {
  if (waiting_.empty()) return;
  patience_.Cancel();
  dropped_from_ = waiting_.front().envelope->origin_seq();
  for (auto& held : std::exchange(waiting_, {})) held.receipt.Abandon();
}

bool Uplink::TakeAnswer(std::uint64_t seq, Delivery delivery) {
  if (answered_.Has(seq)) return false;
  const auto found = Find(seq);
  bool takes;
  if (found != pending_.end()) {
    takes = !std::exchange(found->answered, true);
  } else {
    // An acknowledgement may overtake the answer within a frame, but not the answer that a fault repeats.
    takes = AnswersTakenBack(seq) || delivery == Delivery::kFirst;
  }
  if (takes) answered_.Add(seq);
  return takes;
}

// It need not be sent again.
bool Uplink::AnswersTakenBack(std::uint64_t seq) {
  const auto same = [seq](const rpc::Held& held) { return held.envelope->origin_seq() == seq; };
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), same);
  if (found == waiting_.end()) return false;
  context_.loop.AtEndOfTurn([settled = std::make_shared<rpc::Held>(std::move(*found))] {});
  waiting_.erase(found);
  return true;
}

void Uplink::OnWritable() {
  const bool was_ready = ready();
  congested_ = false;
  Changed(was_ready);
}

void Uplink::OnNoted() {
  if (ready()) session_.OnUplinkReady();
}

void Uplink::Changed(bool was_ready) {
  if (!was_ready && ready()) session_.OnUplinkReady();
}

std::vector<Uplink::Pending>::iterator Uplink::FirstFrom(std::uint64_t seq) {
  auto before = [](const Pending& pending, std::uint64_t number) { return pending.seq < number; };
  return std::lower_bound(pending_.begin(), pending_.end(), seq, before);
}

std::vector<Uplink::Pending>::iterator Uplink::Find(std::uint64_t seq) {
  const auto found = FirstFrom(seq);
  return found != pending_.end() && found->seq == seq ? found : pending_.end();
}

std::uint32_t& Uplink::CountOf(Route::Path path) {
  switch (path) {
    case Route::Path::kDirect:
      return direct_;
    case Route::Path::kSpreading:
      return spreading_;
    case Route::Path::kOther:
      break;
  }
  return other_;
}

// A recipient that cannot be reached now must not stop the conversation with all others. Order could only suffer
// towards that one.
void Uplink::StopWaiting(void* self) {
  auto& uplink = *static_cast<Uplink*>(self);
  if (!uplink.session_.MayAct())
    return uplink.context_.wheel.Arm(uplink.patience_, uplink.context_.config.c2s.order_timeout);
  const auto keep = uplink.session_.shared_from_this();
  const bool was_ready = uplink.ready();
  uplink.context_.metrics.limits.Add("order");
  for (auto& held : std::exchange(uplink.waiting_, {})) {
    const Route route = RouteOf(*held.envelope, uplink.context_.config);
    uplink.Forward(std::move(held), route);
  }
  uplink.Changed(was_ready);
}

}  // namespace parley::c2s

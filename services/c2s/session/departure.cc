#include "services/c2s/session/departure.h"

#include <memory>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/node.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"

namespace parley::c2s {
namespace {

constexpr char kResumedElsewhere[] = "resumed by another connection";
// SessionEnded (link.proto).
constexpr std::string_view kClosed = "closed";
constexpr char kLeft[] = "left";

}  // namespace

// Not from inside OnIdle(): what comes of it may end the session.
void Departure::WhenSettled(std::function<void()> done) {
  if (session_.uplink().idle()) return done();
  on_idle_.push_back([this, done = std::move(done)] { context_.loop.AtEndOfTurn(done); });
  session_.uplink().Hurry();
}

void Departure::OnIdle() {
  patience_.Cancel();
  for (const auto& idle : std::exchange(on_idle_, {})) idle();
  if (told_) context_.sessions.Forget(session_);
}

void Departure::Quiesce(StoredQueue::Close close, Quiet done) {
  Quiesce(close, {context_.config.c2s.order_timeout, "order"}, std::move(done));
}

void Departure::QuiesceToResume(StoredQueue::Close close, Quiet done) {
  Quiesce(close, {context_.config.c2s.sm_settle_wait, "sm_settle_wait"}, std::move(done));
}

void Departure::Quiesce(StoredQueue::Close close, const Patience& patience, Quiet done) {
  auto store = [close, done = std::move(done)](Session& self) {
    const auto logged = [done](Session& noted) { done(noted.management()->outbound().queue().logged()); };
    const auto stored = [logged, done](Session& asked, bool noted) {
      if (!noted) return done(false);
      asked.management()->outbound().queue().WhenLogged(WhileAlive(asked.shared_from_this(), logged));
    };
    self.management()->outbound().queue().StoreHandled(close, WhileAlive(self.shared_from_this(), stored));
  };
  auto logged = [store, patience](Session& self) {
    auto idle = WhileAlive(self.shared_from_this(), store);
    if ((self.uplink().*patience.quiet)() || self.management()->outbound().queue().lost()) return idle();
    Departure& departure = self.departure();
    departure.on_idle_.push_back(std::move(idle));
    auto stop = [limit = patience.limit](Session& late) {
      late.departure().context_.metrics.limits.Add(limit);
      for (const auto& waiting : std::exchange(late.departure().on_idle_, {})) waiting();
    };
    departure.patience_ = departure.context_.loop.After(patience.time, WhileAlive(self.shared_from_this(), stop));
  };
  session_.management()->outbound().queue().Verify(WhileAlive(session_.shared_from_this(), logged));
}

bool Departure::Settle() {
  if (!std::exchange(settling_, true)) {
    auto noted = [](Session& self, bool done) {
      self.departure().settled_ = done;
      self.departure().settling_ = done;  // else once more
    };
    Quiesce(StoredQueue::Close::kSettled, WhileAlive(session_.shared_from_this(), noted));
  }
  return settled_;
}

// From now on more may be passed on than is noted.
void Departure::OnReturn() {
  settling_ = false;
  if (!std::exchange(settled_, false)) return;
  session_.management()->outbound().queue().StoreHandled(StoredQueue::Close::kOpen, [](bool) {});
}

void Departure::HandOver(const std::string& queue, rpc::Receipt receipt) {
  if (told_ || !session_.management() || queue != session_.management()->outbound().queue().name()) {
    // What we have only just claimed is claimed by another.
    if (session_.state() == Session::State::kBinding && session_.claim() == queue) Forget();
    return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  }
  session_.Replace(kResumedElsewhere);
  auto quiet = [receipt](Session& self, bool noted) {
    if (noted) return self.departure().FinishHandOver(receipt);
    rpc::Receipt(receipt).Refuse(link::v1::REFUSAL_REASON_OVERLOADED);
  };
  QuiesceToResume(StoredQueue::Close::kSettled, WhileAlive(session_.shared_from_this(), quiet));
}

void Departure::FinishHandOver(rpc::Receipt receipt) {
  if (session_.state() == Session::State::kEnded) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  const auto keep = session_.shared_from_this();
  session_.Replace(kResumedElsewhere);  // it may have come back meanwhile
  if (!session_.Leave(life::Event::kHandedOver)) return receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
  log::Info("session_handed_over", {{"session", session_.id()}, {"jid", session_.jid().str()}});
  context_.metrics.sm_handovers.Increment();
  session_.uplink().Drop();
  told_ = true;
  if (session_.uplink().idle()) context_.sessions.Forget(session_);
}

void Departure::End(life::Event event, std::string_view reason) {
  if (session_.state() == Session::State::kEnded) return;
  const auto keep = session_.shared_from_this();
  if (!session_.Leave(event)) return;
  log::Info("session_ended", {{"session", session_.id()}, {"jid", session_.jid().str()}, {"reason", reason}});
  session_.uplink().Pump();
  if (!session_.management()) return EndUnmanaged(std::string(reason));
  // The router is to find in the queue all that we took, for the client and from it, or we say it. Should we not get to
  // say that we answer the client's requests, it does.
  auto quiet = [reason = std::string(reason), requests = session_.unanswered().Take()](Session& ended, bool noted) {
    if (noted) ended.unanswered().Answer(requests);
    if (!noted) ended.unanswered().Leave(requests);
    ended.departure().noted_ = noted;
    ended.departure().SayEnded(reason);
  };
  Patience patience{context_.config.c2s.order_timeout, "order"};
  if (reason == kClosed) patience.quiet = &Uplink::idle_but_for_presence;
  Quiesce(StoredQueue::Close::kSettled, patience, WhileAlive(keep, quiet));
}

void Departure::EndUnmanaged(const std::string& reason) {
  auto requests = session_.unanswered().Take();
  if (requests.empty()) return SayEnded(reason);
  session_.unanswered().TakeFromRedis(
      [keep = session_.shared_from_this(), reason, requests = std::move(requests)](Unanswered::By by) {
        if (by == Unanswered::By::kUs) keep->unanswered().Answer(requests);
        keep->departure().SayEnded(reason);
      });
}

void Departure::OnAnswered() {
  if (--asked_ == 0 && last_words_) SayEnded(*std::exchange(last_words_, nullptr));
}

void Departure::SayEnded(const std::string& reason) {
  auto* management = session_.management();
  if (asked_ > 0) {
    last_words_ = std::make_unique<std::string>(reason);
    // It waits for that in the account's turn, and what we have asked waits for this turn.
    if (dismissed_) session_.GiveBack();
    return;
  }
  told_ = true;
  over_ = reason != kLeft;
  auto& uplink = session_.uplink();
  auto envelope = std::make_unique<xmpp::Envelope>();
  envelope->set_kind(link::v1::KIND_CONTROL);
  envelope->set_from(session_.jid().str());
  envelope->set_session(session_.id());
  auto* ended = envelope->mutable_session_ended();
  // Before a number of our own counts as one of its client's.
  if (!noted_) ended->set_header(management->outbound().queue().LastHeader());
  envelope->set_origin(session_.id());
  envelope->set_origin_seq(uplink.NumberOfOurOwn());
  ended->set_reason(reason);
  ended->set_node(context_.node.instance());
  // Under which lease the routers have it, if it was not put back yet, they know.
  if (session_.certain()) ended->set_node_epoch(context_.node.epoch());
  ended->set_queue(management ? management->outbound().queue().name() : session_.claim());
  uplink.Send(std::move(envelope));
  uplink.Hurry();
  session_.GiveBack();
}

void Departure::Forget() {
  const auto keep = session_.shared_from_this();
  if (session_.Leave(life::Event::kNotOurs)) context_.sessions.Forget(session_);
}

void Departure::LetGo() {
  const auto keep = session_.shared_from_this();
  if (session_.Leave(life::Event::kLetGo)) SayEnded(kLeft);
}

}  // namespace parley::c2s

#include "services/c2s/sm/claim.h"

#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{200};

}  // namespace

Claim::Claim(Context& context, const Identity& identity, std::string session, std::string address)
    : context_(context),
      identity_(identity),
      address_(std::move(address)),
      queue_(RandomId()),
      session_(std::make_shared<Session>(context, nullptr, identity, std::move(session))),
      began_(std::chrono::steady_clock::now()),
      deadline_(began_ + context.config.c2s.router_timeout) {}

// It is in the table before the ask leaves: deliveries may come with the answer.
void Claim::Start(Wanted wanted, Done done) {
  wanted_ = std::move(wanted);
  done_ = std::move(done);
  session_->SetClaim(queue_);
  context_.sessions.Add(session_);
  Ask();
}

void Claim::Ask() {
  epoch_ = context_.node.epoch();
  if (epoch_.empty()) return TryAgain(&Claim::Ask, "this node has no lease yet");
  session_->Confirm();
  session::v1::Ask ask;
  auto& resume = *ask.mutable_resume();
  resume.set_account(identity_.account.str());
  resume.set_session(session_->id());
  resume.set_queue(queue_);
  resume.set_node(context_.node.instance());
  resume.set_node_epoch(epoch_);
  resume.set_address(address_);
  resume.set_mechanism(std::string(identity_.mechanism));
  const auto left = deadline_ - std::chrono::steady_clock::now();
  context_.routers.Ask(identity_.account.str(), ask.SerializeAsString(),
                       std::chrono::duration_cast<std::chrono::milliseconds>(left),
                       [self = shared_from_this()](const Result<std::string>& body) { self->OnAnswer(body); });
}

void Claim::OnAnswer(const Result<std::string>& body) {
  stays_ = false;
  if (session_->state() == Session::State::kEnded) return GiveUp(Outcome{.lack = Lack::kTaken});
  session::v1::Answer answer;
  if (!body) return TryAgain(&Claim::Ask, body.error().message());
  if (!answer.ParseFromString(*body) || !answer.has_resumed())
    return TryAgain(&Claim::Ask, "the answer does not parse");
  auto& resumed = *answer.mutable_resumed();
  if (!resumed.jid().empty()) {
    record_ = std::move(*resumed.mutable_record());
    return LoadQueue();
  }
  stays_ = resumed.stays();
  if (resumed.condition() != "item-not-found") return TryAgain(&Claim::Ask, resumed.text());
  Outcome outcome;
  outcome.lack = Lack::kGone;
  if (resumed.knows_handled()) outcome.handled = resumed.handled();
  GiveUp(std::move(outcome));
}

void Claim::LoadQueue() {
  session::Load(
      context_.redis, session::QueueKey(identity_.account.str(), queue_),
      [self = shared_from_this()](Result<session::QueueContents> contents) { self->OnQueue(std::move(contents)); });
}

void Claim::OnQueue(Result<session::QueueContents> contents) {
  // Ended while it was ours, or claimed by another.
  if (session_->state() == Session::State::kEnded) return GiveUp(Outcome{.lack = Lack::kTaken});
  if (contents) {
    session_->Adopt(record_, std::move(*contents));
    context_.node.Bound(session_, epoch_);
    return std::exchange(done_, {})(Outcome{.session = session_});
  }
  // Another edge was faster.
  if (contents.error().message() == session::kNoQueue) return GiveUp(Outcome{.lack = Lack::kTaken});
  TryAgain(&Claim::LoadQueue, contents.error().message());
}

void Claim::TryAgain(void (Claim::*what)(), const std::string& why) {
  log::Info("session_claim_unanswered", {{"session", session_->id()}, {"reason", why}});
  const auto now = std::chrono::steady_clock::now();
  // If the ill is this node's or this router's alone, the client is better off elsewhere.
  const bool hopeless = (stays_ || !context_.node.held()) && now >= began_ + context_.config.c2s.sm_resume_wait;
  if (hopeless || now + kRetryDelay >= deadline_) return GiveUp(Outcome{});
  retry_ = context_.loop.After(kRetryDelay, [self = shared_from_this(), what] {
    if (!self->wanted_()) return self->GiveUp(Outcome{});
    ((*self).*what)();
  });
}

// A router may have given it to us without our hearing of it: whoever asks next is to get it.
void Claim::GiveUp(Outcome outcome) {
  if (session_->state() != Session::State::kEnded)
    outcome.lack == Lack::kUnanswered ? session_->departure().LetGo() : session_->departure().Forget();
  std::exchange(done_, {})(std::move(outcome));
}

}  // namespace parley::c2s

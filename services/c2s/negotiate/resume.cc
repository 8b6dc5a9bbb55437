#include "services/c2s/negotiate/resume.h"

#include <chrono>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/established.h"
#include "services/c2s/session/session.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/sm/elements.h"
#include "services/c2s/stream/stream.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kRetryDelay{100};

}  // namespace

void Resume::Advertise(std::string& features) const { features += kSmFeature; }

bool Resume::Take(const xml::Child& child) {
  if (child.start.ns != kSmNs) return false;
  previous_ = AttributeOf(child.start, "previd");
  const auto handled = SmNumber(child.start, "h");
  if (child.start.local_name != "resume") {
    // Section 3: nothing is to be enabled before a resource is bound.
    stream_.Write(SmFailed("unexpected-request"));
  } else if (previous_.empty() || !handled) {
    stream_.Write(SmFailed("bad-request"));
  } else {
    handled_ = *handled;
    until_ = std::chrono::steady_clock::now() + stream_.context().config.c2s.router_timeout;
    stream_.Hold(Stream::Pause::kStage);
    Try();
  }
  return true;
}

void Resume::Try() {
  auto& context = stream_.context();
  auto* here = context.sessions.Find(previous_);
  if (!here) {
    auto* ending = context.sessions.FindEnding(previous_);
    // What its client sent last may not be noted yet as handled.
    return ending && ending->management() && !ending->departure().told() ? TryLater() : StartClaim();
  }
  if (here->state() == Session::State::kBinding) return TryLater();  // another stream is at it
  const bool own = here->jid().bare() == stream_.identity()->account.str();
  if (!own || !here->management() || here->management()->resume_ms() == 0)
    return Refuse("item-not-found", std::nullopt);
  // Nobody can tell us, and it may have been claimed from us.
  const bool cut_off = !context.routers.available() && !context.redis.up();
  if (cut_off && !here->certain()) return Postpone();
  session_ = here->shared_from_this();
  session_->Replace("resumed by another connection");
  session_->departure().QuiesceToResume(StoredQueue::Close::kOpen,
                                        WhileAlive(shared_from_this(), [](Resume& self, bool) { self.OnQuiet(); }));
}

void Resume::TryLater() {
  auto again = [](Resume& self) { self.Try(); };
  retry_ = stream_.context().loop.After(kRetryDelay, WhileAlive(shared_from_this(), again));
}

void Resume::Abandon() { retry_.Cancel(); }

void Resume::OnQuiet() {
  if (!stream_.open()) return;
  if (session_->state() == Session::State::kAway) return Attach("here");
  // Somebody else has it by now.
  session_ = nullptr;
  Try();
}

void Resume::StartClaim() {
  auto wanted = [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self && !self->stream_.Abandoned();
  };
  auto claimed = [](Resume& self, Claim::Outcome outcome) { self.OnClaimed(std::move(outcome)); };
  const auto claim = std::make_shared<Claim>(stream_.context(), *stream_.identity(), previous_, stream_.address());
  claim->Start(wanted, WhileAlive(shared_from_this(), claimed));
}

void Resume::OnClaimed(Claim::Outcome outcome) {
  if (!stream_.open()) return;
  session_ = std::move(outcome.session);
  if (session_) return Attach("claimed");
  if (outcome.lack == Claim::Lack::kGone) return Refuse("item-not-found", outcome.handled);
  // Whether it lives, and is ours again, the router knows.
  if (outcome.lack == Claim::Lack::kTaken && std::chrono::steady_clock::now() < until_) return TryLater();
  Postpone();
}

// To say that it failed would cost the client its session. It connects again, and asks again.
void Resume::Postpone() {
  stream_.context().metrics.sm_resumptions.Add("unanswered");
  stream_.Fail(xmpp::StreamError("resource-constraint", "the session cannot be reached now"));
}

void Resume::Attach(std::string_view outcome) {
  auto& context = stream_.context();
  const auto session = std::exchange(session_, nullptr);
  if (!session->Attach(stream_, handled_)) {
    context.metrics.sm_resumptions.Add("too-high");
    return stream_.Fail(SmTooHigh(handled_, session->management()->outbound().sent()));
  }
  context.metrics.sm_resumptions.Add(outcome);
  log::Info("session_resumed", {{"session", session->id()},
                                {"connection", stream_.id()},
                                {"jid", session->jid().str()},
                                {"address", stream_.address()},
                                {"how", outcome}});
  stream_.Established(std::make_shared<Established>(stream_, session));
  stream_.Release(Stream::Pause::kStage);
}

void Resume::Refuse(std::string_view condition, std::optional<std::uint32_t> handled) {
  stream_.context().metrics.sm_resumptions.Add(condition);
  stream_.Write(SmFailed(condition, handled));
  stream_.Release(Stream::Pause::kStage);
}

}  // namespace parley::c2s

#include "services/c2s/sm/acks.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "services/c2s/alive.h"
#include "services/c2s/metrics.h"
#include "services/c2s/session/session.h"
#include "services/c2s/sm/elements.h"

namespace parley::c2s {

Acks::Acks(Session& session, Context& context)
    : session_(session),
      context_(context),
      asking_(&Acks::Ask, this),
      waiting_(&Acks::StopWaiting, this),
      noting_(&Acks::NoteLate, this),
      answered_at_(context.wheel.now() - context.wheel.ToTicks(context.config.c2s.sm_ack_pace)) {}

// Ours

void Acks::OnWritten(std::size_t bytes) {
  ++stanzas_;
  bytes_ += bytes;
  if (asked_) return;
  const auto& config = context_.config.c2s;
  // In time, before its session ends for what it has not acknowledged.
  const bool many = stanzas_ >= std::min(config.sm_request_stanzas, config.sm_max_stanzas / 2);
  const bool large = bytes_ >= std::min(config.sm_request_bytes, config.sm_max_bytes / 2);
  if (many || large) return Request();
  if (!asking_.armed()) context_.wheel.Arm(asking_, config.sm_request_delay);
}

void Acks::Request() {
  stanzas_ = 0;
  bytes_ = 0;
  asked_ = true;
  context_.wheel.Arm(asking_, context_.config.c2s.sm_ack_timeout);
  context_.metrics.sm_requests.Increment();
  session_.WriteElement(kSmRequest);
}

void Acks::OnAnswer(std::size_t left) {
  asked_ = false;
  asking_.Cancel();
  if (left > 0) context_.wheel.Arm(asking_, context_.config.c2s.sm_request_delay);
}

void Acks::Ask(void* self) {
  auto& acks = *static_cast<Acks*>(self);
  if (!acks.asked_) return acks.Request();
  // Whoever is not listened to cannot answer.
  if (acks.session_.paused()) return acks.context_.wheel.Arm(acks.asking_, acks.context_.config.c2s.sm_request_delay);
  acks.context_.metrics.limits.Add("sm_ack_timeout");
  acks.session_.FailStream(xmpp::StreamError("connection-timeout", "acknowledgements do not come"));
}

void Acks::Detach() {
  asking_.Cancel();
  waiting_.Cancel();
  noting_.Cancel();
  stanzas_ = owed_ = 0;
  bytes_ = 0;
  asked_ = overdue_ = announce_ = held_back_ = sends_on_ = false;
}

// The client's

void Acks::OnRequest() {
  if (owed_++ == 0) asked_at_ = std::chrono::steady_clock::now();
  wanted_ = session_.uplink().last();
  if (!waiting_.armed()) context_.wheel.Arm(waiting_, context_.config.c2s.sm_ack_wait);
  TryAnswer();
}

void Acks::OnHandled() {
  TryAnswer();
  NoteUnasked();
}

void Acks::StopWaiting(void* self) {
  auto& acks = *static_cast<Acks*>(self);
  if (acks.held_back_ && acks.session_.uplink().last() == acks.held_from_) acks.sends_on_ = false;
  acks.overdue_ = true;
  acks.TryAnswer();
}

// Since its last question.
bool Acks::HasSentOn() const { return session_.uplink().last() != wanted_; }

// XEP-0198 section 4: an answer may wait for a time, so that it is one for many stanzas. Not if the client may be
// waiting for it.
bool Acks::OutOfPace() const {
  if (overdue_ || !(sends_on_ || HasSentOn())) return false;
  return context_.wheel.now() - answered_at_ < context_.wheel.ToTicks(context_.config.c2s.sm_ack_pace);
}

// What comes next brings the answer along, or nothing comes.
void Acks::HoldBack() {
  if (std::exchange(held_back_, true)) return;
  held_from_ = session_.uplink().last();
  context_.wheel.Arm(waiting_, context_.config.c2s.sm_ack_pace);
}

// Never more than Redis knows: after our end that is what the client will be told. Who sends on asks again, and is told
// without a new header if what came before the question is noted.
void Acks::TryAnswer() {
  if (storing_ || (owed_ == 0 && !announce_)) return;
  const std::uint64_t handled = session_.uplink().handled();
  if (handled < wanted_ && !overdue_) return;
  if (OutOfPace()) return HoldBack();
  auto& queue = session_.management()->outbound().queue();
  if (queue.stored() >= (overdue_ ? handled : std::min(handled, wanted_))) return Answer();
  storing_ = true;
  auto stored = [](Session& session, bool noted) {
    Acks& self = session.management()->acks();
    self.storing_ = false;
    if (!noted) self.overdue_ = true;  // Redis is away: the client keeps what is not noted
    self.Answer();
    if (noted) self.NoteUnasked();
  };
  queue.StoreHandled(StoredQueue::Close::kOpen, WhileAlive(session_.shared_from_this(), stored));
}

void Acks::Answer() {
  const std::uint64_t stored = session_.management()->outbound().queue().stored();
  const bool all = stored >= wanted_;
  // A question that came while this was noted waits for what came before it.
  if (!all && waiting_.armed() && !overdue_) return TryAnswer();
  waiting_.Cancel();
  overdue_ = held_back_ = false;
  sends_on_ = sends_on_ || HasSentOn();
  answered_at_ = context_.wheel.now();
  announce_ = !all;
  if (owed_ > 0) {
    const auto waited = std::chrono::steady_clock::now() - asked_at_;
    context_.metrics.sm_answer_seconds.Observe(std::chrono::duration<double>(waited).count());
  }
  const std::string answer = SmAnswer(session_.management()->Count(stored));
  for (owed_ = std::max(owed_, 1u); owed_ > 0; --owed_) session_.WriteElement(answer);
}

// A client that asks seldom is to have little to send again, and what another edge must take for a repeat is little.
void Acks::NoteUnasked() {
  const std::uint64_t stored = session_.management()->outbound().queue().stored();
  const std::uint64_t handled = session_.uplink().handled();
  if (storing_ || handled <= stored) return;
  const auto& config = context_.config.c2s;
  if (handled >= stored + std::min(config.sm_store_handled, config.sm_max_unhandled / 2)) return Note();
  if (!noting_.armed()) context_.wheel.Arm(noting_, context_.config.c2s.sm_store_delay);
}

void Acks::NoteLate(void* self) {
  auto& acks = *static_cast<Acks*>(self);
  const std::uint64_t handled = acks.session_.uplink().handled();
  if (!acks.storing_ && handled > acks.session_.management()->outbound().queue().stored()) acks.Note();
}

void Acks::Note() {
  noting_.Cancel();
  storing_ = true;
  auto stored = [](Session& session, bool noted) {
    Acks& self = session.management()->acks();
    self.storing_ = false;
    self.TryAnswer();
    if (noted) self.NoteUnasked();
  };
  session_.management()->outbound().queue().StoreHandled(StoredQueue::Close::kOpen,
                                                         WhileAlive(session_.shared_from_this(), stored));
}

}  // namespace parley::c2s

#include <algorithm>
#include <utility>

#include "libs/base/coarse_clock.h"
#include "libs/rpc/endpoint.h"

// What we say, and when.
namespace parley::rpc {

void Endpoint::Send(std::unique_ptr<Envelope> envelope, Receipt receipt) {
  SendHeld({std::move(envelope), std::move(receipt)});
}

void Endpoint::SendHeld(Held held) {
  if (!alive()) {
    // OnDown has given everything back already; nobody would give this one back.
    held.receipt.Refuse(link::v1::REFUSAL_REASON_DRAINING);
    return;
  }
  const bool unhurried = peer_hurries_ && held.receipt.unhurried() && !meter_.WantsToTime(held.envelope->kind());
  held.envelope->set_unhurried(unhurried);
  outbox_.Push(std::move(held));
  ScheduleFlush();
}

void Endpoint::Hurry() {
  if (!alive() || !outbox_.HasUnhurriedBehind(hurry_to_)) return;
  hurry_to_ = outbox_.last();
  ScheduleFlush();
}

void Endpoint::HurryOn() {
  if (alive() && outbox_.HasUnhurriedBehind(hurry_to_) && outbox_.IsWaitedForBehind(hurry_to_)) Hurry();
}

void Endpoint::Ask(std::string body, std::chrono::milliseconds timeout, Done done) {
  if (!alive()) {
    loop_.Post([done = std::move(done)] { done(Error(kLinkBroken)); });
    return;
  }
  auto request = asks_.Add(std::move(body), timeout, std::move(done));
  if (request.id() == 0) return;
  requests_.push_back(std::move(request));
  ScheduleFlush();
}

void Endpoint::AnnounceDraining() {
  announce_.draining = draining_ = true;
  ScheduleFlush();
}

void Endpoint::AnnounceDraining(Yielded yielded) {
  AnnounceDraining();
  AwaitYield(std::move(yielded));
}

void Endpoint::AnnounceJoining(Yielded yielded) {
  announce_.joining = true;
  ScheduleFlush();
  AwaitYield(std::move(yielded));
}

void Endpoint::AnnounceChangedOver() {
  announce_.changed_over = true;
  ScheduleFlush();
}

void Endpoint::Yield() {
  announce_.yielded = true;
  ScheduleFlush();
}

void Endpoint::WhenSettled(std::function<void()> settled) {
  if (!alive()) return;
  if (outbox_.oldest() > outbox_.last()) {
    loop_.Post(std::move(settled));
    return;
  }
  settling_.push_back({outbox_.last(), std::move(settled)});
  Hurry();
}

void Endpoint::ScheduleFlush() {
  if (flush_scheduled_ || writing_ || !alive()) return;
  flush_scheduled_ = true;
  loop_.AtEndOfTurn<&Endpoint::Flush>(shared_from_this());
}

void Endpoint::Flush() {
  flush_scheduled_ = false;
  if (writing_ || !alive() || transport_ == nullptr) return;
  const bool something = Gather();
  meter_.Outbox(outbox_.queued(), outbox_.size() - outbox_.queued(), outbox_.stalled());
  if (something) return Write();
  if (stage_ == Stage::kClosing) transport_->Finish();
}

template <class Queue, class Field>
bool Endpoint::GatherMessages(Queue& queue, Field& field, std::uint64_t& room) {
  while (!queue.empty() && room > 0) {
    room -= std::min<std::uint64_t>(room, queue.front().ByteSizeLong());
    field.Add(std::move(queue.front()));
    queue.pop_front();
  }
  return queue.empty();
}

bool Endpoint::Gather() {
  std::uint64_t room = role_->options.batch_bytes;
  const bool all_replies = GatherMessages(replies_, *frame_.mutable_replies(), room);
  GatherMessages(requests_, *frame_.mutable_requests(), room);
  // An envelope must not overtake a reply that was given before it.
  if (all_replies && room > 0 && stage_ == Stage::kUp) outbox_.Lend(frame_, role_->options.batch, room);
  const bool standing = GatherStanding();
  const bool more = !frame_.envelopes().empty() || !frame_.replies().empty() || !frame_.requests().empty() || standing;
  if (more) last_company_ = CoarseNow();
  const bool anything = GatherHurry() || more;
  if (inbox_.untold() == 0) return anything;
  if (!anything && !acks_due_ && inbox_.urgency() != Inbox::Urgency::kNow && stage_ == Stage::kUp) {
    DelayAcks();
    return false;
  }
  if (inbox_.full()) meter_.AcksGathered();
  inbox_.Tell(frame_);
  return true;
}

bool Endpoint::GatherStanding() {
  const auto [draining, joining, yielded, changed_over] = std::exchange(announce_, {});
  frame_.set_draining(draining);
  frame_.set_joining(joining);
  frame_.set_yielded(yielded);
  frame_.set_changed_over(changed_over);
  return draining || joining || yielded || changed_over;
}

// Said of what has gone; of what still waits for the peer's window, when that goes.
bool Endpoint::GatherHurry() {
  // Whoever is held up by a full window waits, too.
  if (outbox_.congested() && outbox_.HasUnhurriedBehind(hurry_to_)) hurry_to_ = outbox_.last();
  const std::uint64_t sent = outbox_.last_sent();
  if (hurried_to_ >= std::min(hurry_to_, sent)) return false;
  hurried_to_ = sent;
  frame_.set_hurry(true);
  return true;
}

// Alone, an acknowledgement costs as much as a full batch; most often something else is about to go, surely where
// something went lately.
void Endpoint::DelayAcks() {
  // Who stops may not be there any more later on.
  const bool idle = inbox_.urgency() == Inbox::Urgency::kIdle && !draining_;
  if (ack_timer_.armed() && (idle || !ack_timer_idle_)) return;
  ack_timer_idle_ = idle;
  ack_timer_ = loop_.After(AckDelay(idle), [this] {
    acks_due_ = true;
    ScheduleFlush();
  });
}

std::chrono::milliseconds Endpoint::AckDelay(bool idle) const {
  const auto& options = role_->options;
  // The coarse clock may choose wrongly by a tick, which costs no more than the other delay.
  const bool busy = options.ack_delay.count() > 0 && CoarseNow() - last_company_ <= options.busy_ack_delay;
  const auto delay = busy ? std::max(options.ack_delay, options.busy_ack_delay) : options.ack_delay;
  return idle ? std::max(delay, options.idle_ack_delay) : delay;
}

void Endpoint::Write() {
  if (inbox_.untold() == 0) {
    acks_due_ = false;
    ack_timer_.Cancel();
  }
  writing_ = true;
  transport_->Write(frame_);
  meter_.Sent(frame_);
  Outbox::TakeBack(frame_);
  frame_.Clear();
}

void Endpoint::OnWritten() {
  writing_ = false;
  ScheduleFlush();
}

}  // namespace parley::rpc

#include <utility>

#include "libs/rpc/endpoint.h"

// What the peer says.
namespace parley::rpc {

void Endpoint::OnFrame(link::v1::Frame& frame, std::size_t bytes) {
  const auto self = shared_from_this();  // a handler may drop the owner
  meter_.Received(frame, bytes);
  if (stage_ == Stage::kGreeting) return OnHello(frame);
  if (!alive()) return;
  if (frame.has_hello()) return Violation("a second hello");
  OnAcks(frame);
  OnRefusals(frame);
  // Before envelopes: what follows an answer may depend on it.
  OnReplies(frame);
  OnEnvelopes(frame);
  OnRequests(frame);
  if (frame.hurry()) OnHurry();
  OnStanding(frame);
}

void Endpoint::OnStanding(const link::v1::Frame& frame) {
  if (frame.yielded()) OnYielded();
  if (frame.draining() && stage_ == Stage::kUp && !std::exchange(peer_draining_, true)) handler_->OnDraining(*this);
  if (frame.joining() && stage_ == Stage::kUp) handler_->OnJoining(*this);
  if (!frame.changed_over() || stage_ != Stage::kUp) return;
  if (!peer_draining_) peer_.standing = Standing::kServing;
  handler_->OnChangedOver(*this);
}

void Endpoint::AwaitYield(Yielded yielded) {
  yielded_ = std::move(yielded);
  if (alive() && !peer_.changes_over) OnYielded();
}

void Endpoint::OnYielded() {
  if (const auto yielded = std::exchange(yielded_, nullptr)) yielded();
}

void Endpoint::OnAcks(const link::v1::Frame& frame) {
  for (const std::uint64_t seq : frame.acks()) {
    if (!alive()) return;
    meter_.Settled(seq);
    auto held = outbox_.Settle(seq);
    if (!held) return Violation("an acknowledgement of " + std::to_string(seq));
    Recycle(std::move(held->envelope));
  }
  if (!frame.acks().empty()) AfterSettling();
}

void Endpoint::OnRefusals(const link::v1::Frame& frame) {
  for (const auto& refusal : frame.refusals()) {
    if (!alive()) return;
    meter_.Settled(refusal.seq());
    auto held = outbox_.Settle(refusal.seq());
    if (!held) return Violation("a refusal of " + std::to_string(refusal.seq()));
    handler_->OnRefused(*this, std::move(*held), refusal.reason());
  }
  if (!frame.refusals().empty()) AfterSettling();
}

void Endpoint::AfterSettling() {
  if (!alive()) return;
  while (!settling_.empty() && settling_.front().last < outbox_.oldest()) {
    auto settled = std::move(settling_.front().settled);
    settling_.pop_front();
    settled();
  }
  if (outbox_.ready()) ScheduleFlush();
  if (outbox_.size() == 0) meter_.Outbox(0, 0, false);
  if (alive() && outbox_.Relieve()) handler_->OnWritable(*this);
}

void Endpoint::OnReplies(link::v1::Frame& frame) {
  for (auto& reply : *frame.mutable_replies()) {
    if (!alive()) return;
    asks_.Answer(reply);
  }
}

void Endpoint::OnEnvelopes(link::v1::Frame& frame) {
  const int count = frame.envelopes_size();
  // While we close nothing new is taken: it is not acknowledged, so the peer sends it elsewhere.
  if (count == 0 || stage_ != Stage::kUp) return;
  arrived_.resize(count);
  frame.mutable_envelopes()->UnsafeArenaExtractSubrange(0, count, arrived_.data());
  for (Envelope* bare : arrived_) {
    std::unique_ptr<Envelope> envelope(bare);
    if (stage_ != Stage::kUp) continue;
    if (const auto problem = inbox_.Check(*envelope); !problem.empty()) {
      Violation(problem);
      continue;
    }
    if (!peer_hurries_) envelope->clear_unhurried();
    Receipt receipt = inbox_.Owe(*envelope);
    envelope->clear_unhurried();
    handler_->OnEnvelope(*this, std::move(envelope), std::move(receipt));
  }
}

void Endpoint::OnRequests(link::v1::Frame& frame) {
  for (const auto& request : frame.requests()) {
    if (stage_ != Stage::kUp) return;
    handler_->OnRequest(*this, request.body(),
                        [weak = weak_from_this(), id = request.id()](Result<std::string> answer) {
                          if (const auto self = weak.lock()) self->Respond(id, std::move(answer));
                        });
  }
}

void Endpoint::OnHurry() {
  inbox_.Hurry();
  if (inbox_.untold() > 0) ScheduleFlush();
  if (stage_ == Stage::kUp && inbox_.outstanding() > inbox_.untold()) handler_->OnHurried(*this);
}

void Endpoint::Respond(std::uint64_t id, Result<std::string> answer) {
  if (!alive()) return;
  auto& reply = replies_.emplace_back();
  reply.set_id(id);
  if (answer) {
    reply.set_body(*std::move(answer));
  } else {
    reply.set_failure(answer.error().message().empty() ? "failed" : answer.error().message());
  }
  ScheduleFlush();
}

}  // namespace parley::rpc

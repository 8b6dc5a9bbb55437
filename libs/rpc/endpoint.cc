#include "libs/rpc/endpoint.h"

#include <algorithm>
#include <utility>

#include "libs/base/coarse_clock.h"
#include "libs/base/log.h"
#include "libs/base/version.h"
#include "libs/rpc/protocol.h"

namespace parley::rpc {
namespace {

using link::v1::Frame;
using link::v1::Hello;

// For what gathered to leave when we close. No setting: a peer that reads takes it at once, and one that does not hears
// no acknowledgement, so that it sends again what we may have had.
constexpr std::chrono::milliseconds kCloseTimeout{1000};
// Each thing that a peer says of itself stands in the log.
constexpr std::size_t kMaxNameBytes = 256;

}  // namespace

Endpoint::Endpoint(Loop& loop, std::shared_ptr<const Role> role, LinkHandler& handler, Ended ended)
    : loop_(loop),
      role_(std::move(role)),
      handler_(&handler),
      ended_(std::move(ended)),
      meter_(role_->metrics),
      inbox_(role_->options, [this] { ScheduleFlush(); }),
      asks_(loop, role_->options.max_asks, meter_) {
  deadline_ = loop_.After(role_->options.hello_timeout, [this] {
    if (transport_ != nullptr) transport_->Abort("no hello in time");
  });
}

Endpoint::~Endpoint() { Disown(); }

void Endpoint::Disown() {
  handler_ = nullptr;
  ended_ = nullptr;
  stage_ = Stage::kBroken;
  deadline_.Cancel();
  ack_timer_.Cancel();
  inbox_.Sever();
  if (transport_ != nullptr) std::exchange(transport_, nullptr)->Detach();
  for (auto& held : outbox_.TakeAll()) held.receipt.Abandon();
}

// ---- greeting

void Endpoint::OnOpen(const std::string& remote_address) {
  peer_.address = remote_address;
  stage_ = Stage::kGreeting;
  Greet();
}

void Endpoint::Greet() {
  Frame greeting;
  Hello& hello = *greeting.mutable_hello();
  hello.set_protocol(kProtocols.newest);
  hello.set_oldest_protocol(kProtocols.oldest);
  hello.set_version(Version());
  hello.set_service(role_->self.service);
  hello.set_instance(role_->self.instance);
  hello.set_epoch(role_->self.epoch);
  hello.set_window(role_->options.window);
  hello.set_window_bytes(role_->options.window_bytes);
  hello.set_away(role_->standing == Standing::kAway);
  hello.set_hurries(true);
  writing_ = true;
  transport_->Write(greeting);
}

std::string Endpoint::CheckHello(const Hello& hello) const {
  for (const auto* name : {&hello.service(), &hello.instance(), &hello.epoch(), &hello.version()}) {
    if (name->size() > kMaxNameBytes) return "what it says of itself is too long";
  }
  if (!Common(kProtocols, ProtocolsOf(hello))) return WhyNone(hello);
  if (hello.service().empty() || hello.instance().empty() || hello.epoch().empty()) return "it does not say who it is";
  if (!role_->expected_service.empty() && hello.service() != role_->expected_service) {
    return "it is a " + hello.service() + ", not a " + role_->expected_service;
  }
  if (hello.window() == 0 || hello.window_bytes() == 0) return "it takes nothing";
  return vet_ ? vet_(hello.service()) : std::string();
}

void Endpoint::OnHello(const Frame& frame) {
  if (!frame.has_hello()) return Violation("the first frame is no hello");
  const Hello& hello = frame.hello();
  if (const auto problem = CheckHello(hello); !problem.empty()) return Violation(problem);
  peer_.service = hello.service();
  peer_.instance = hello.instance();
  peer_.epoch = hello.epoch();
  peer_.protocol = Common(kProtocols, ProtocolsOf(hello)).value();
  peer_.version = hello.version();
  peer_.standing = hello.away() ? Standing::kAway : Standing::kServing;
  unhurried_ = hello.hurries();
  outbox_.SetWindow(hello.window(), hello.window_bytes());
  deadline_.Cancel();
  stage_ = Stage::kUp;
  was_up_ = true;
  meter_.Up();
  log::Info(
      "link_up",
      {{"peer", peer_.instance}, {"service", peer_.service}, {"version", peer_.version}, {"address", peer_.address}});
  handler_->OnUp(*this);
}

// ---- what the peer says

void Endpoint::OnFrame(Frame& frame, std::size_t bytes) {
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
  if (frame.draining() && stage_ == Stage::kUp && !std::exchange(peer_draining_, true)) handler_->OnDraining(*this);
}

void Endpoint::OnGarbage(const std::string& reason) {
  const auto self = shared_from_this();
  Violation(reason);
}

void Endpoint::OnAcks(const Frame& frame) {
  for (const std::uint64_t seq : frame.acks()) {
    if (!alive()) return;
    meter_.Settled(seq);
    auto held = outbox_.Settle(seq);
    if (!held) return Violation("an acknowledgement of " + std::to_string(seq));
    Recycle(std::move(held->envelope));
  }
  if (!frame.acks().empty()) AfterSettling();
}

void Endpoint::OnRefusals(const Frame& frame) {
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

void Endpoint::OnReplies(Frame& frame) {
  for (auto& reply : *frame.mutable_replies()) {
    if (!alive()) return;
    asks_.Answer(reply);
  }
}

void Endpoint::OnEnvelopes(Frame& frame) {
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
    if (!unhurried_) envelope->clear_unhurried();
    Receipt receipt = inbox_.Owe(*envelope);
    envelope->clear_unhurried();
    handler_->OnEnvelope(*this, std::move(envelope), std::move(receipt));
  }
}

void Endpoint::OnRequests(Frame& frame) {
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

void Endpoint::Violation(const std::string& reason) {
  if (stage_ == Stage::kBroken) return;
  meter_.Violation();
  log::Error("link_violation", {{"peer", peer_.instance}, {"address", peer_.address}, {"reason", reason}});
  // Up until the stream is really gone: what it settled so far counts.
  if (stage_ == Stage::kUp) stage_ = Stage::kClosing;
  if (transport_ != nullptr) transport_->Abort(reason);
}

// ---- what we say

void Endpoint::Send(std::unique_ptr<Envelope> envelope, Receipt receipt) {
  SendHeld({std::move(envelope), std::move(receipt)});
}

void Endpoint::SendHeld(Held held) {
  if (!alive()) {
    // OnDown has given everything back already; nobody would give this one back.
    held.receipt.Refuse(link::v1::REFUSAL_REASON_DRAINING);
    return;
  }
  const bool unhurried = unhurried_ && held.receipt.unhurried() && !meter_.WantsToTime(held.envelope->kind());
  held.envelope->set_unhurried(unhurried);
  outbox_.Push(std::move(held));
  ScheduleFlush();
}

void Endpoint::Hurry() {
  if (!alive() || !outbox_.HasUnhurriedBehind(hurry_to_)) return;
  hurry_to_ = outbox_.last();
  ScheduleFlush();
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
  announce_draining_ = draining_ = true;
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

std::vector<Held> Endpoint::Reclaim() {
  auto held = outbox_.TakeAll();
  asks_.FailAllLater(Error(kLinkBroken));
  Close();
  return held;
}

void Endpoint::Close() {
  if (stage_ == Stage::kClosing || stage_ == Stage::kBroken) return;
  if (stage_ != Stage::kUp) {
    if (transport_ != nullptr) transport_->Abort("closed");
    return;
  }
  stage_ = Stage::kClosing;
  // What is dropped from now on may have been given up: the peer sends it elsewhere.
  inbox_.Sever();
  deadline_ = loop_.After(kCloseTimeout, [this] {
    if (transport_ != nullptr) transport_->Abort("closed");
  });
  ScheduleFlush();
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
  if (std::exchange(announce_draining_, false)) frame_.set_draining(true);
  const bool more =
      !frame_.envelopes().empty() || !frame_.replies().empty() || !frame_.requests().empty() || frame_.draining();
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

// ---- the end

void Endpoint::OnBroken(const std::string& reason) {
  const auto self = shared_from_this();
  const bool was_up = alive();
  stage_ = Stage::kBroken;
  transport_ = nullptr;
  deadline_.Cancel();
  ack_timer_.Cancel();
  inbox_.Sever();
  settling_.clear();
  meter_.Down();
  if (was_up) {
    log::Info("link_down", {{"peer", peer_.instance}, {"address", peer_.address}, {"reason", reason}});
    handler_->OnDown(*this, outbox_.TakeAll());
    // After the handler knows, so that who asks again asks another.
    asks_.FailAll(Error(kLinkBroken));
  }
  if (ended_) ended_(reason);
}

}  // namespace parley::rpc

#include <utility>

#include "libs/rpc/ring_state.h"

namespace parley::rpc {

void Replica::Dial() {
  alias_of_.clear();
  client_ =
      std::make_unique<LinkClient>(ring_.loop, ring_.self, address_, ring_.options.link, *this, ring_.options.service);
}

void Replica::DialLater(std::chrono::milliseconds delay) {
  redial_ = ring_.loop.After(delay, [this] { Dial(); });
}

void Replica::HangUp(std::string alias_of) {
  alias_of_ = std::move(alias_of);
  link_ = nullptr;
  client_.reset();
}

std::vector<Held> Replica::Strip() {
  auto held = link_ == nullptr ? std::vector<Held>() : link_->Reclaim();
  link_ = nullptr;
  placed_ = false;
  announced_draining_ = draining_ = joining_ = false;
  client_.reset();
  return held;
}

void Replica::Try() {
  if (client_ == nullptr || link_ != nullptr) return;
  untried_ = true;
  client_->Hurry();
}

void Replica::OnUp(Link& link) {
  link_ = &link;
  announced_draining_ = draining_ = joining_ = false;
  untried_ = false;
  ring_.OnUp(*this);
  ring_.OnTried();
}

void Replica::OnDialFailed() {
  untried_ = false;
  ring_.OnTried();
}

void Replica::OnEnvelope(Link& link, std::unique_ptr<Envelope> envelope, Receipt receipt) {
  ring_.owner.OnEnvelope(link, std::move(envelope), std::move(receipt));
}

void Replica::OnRefused(Link&, Held held, RefusalReason reason) {
  if (reason != link::v1::REFUSAL_REASON_DRAINING) return ring_.owner.OnUndeliverable(std::move(held), reason);
  returned_.push_back(std::move(held));
  draining_ = true;
  ring_.OnReturned(*this);
}

void Replica::OnRequest(Link& link, const std::string& body, Respond respond) {
  ring_.owner.OnRequest(link, body, std::move(respond));
}

// A process that is one of the replicas itself passes on what others wait for: it holds nothing back, but goes by the
// old placement until all others have yielded.
void Replica::OnDraining(Link& link) {
  announced_draining_ = true;
  if (ring_.local && link.peer().changes_over) return link.Yield();
  draining_ = true;
  ring_.Reconsider(link.peer().changes_over ? link.peer().instance : std::string());
}

void Replica::OnJoining(Link& link) {
  if (ring_.local) return link.Yield();
  joining_ = true;
  ring_.Reconsider(link.peer().instance);
}

void Replica::OnChangedOver(Link&) {
  joining_ = false;
  draining_ = announced_draining_;
  ring_.OnChangedOver(*this);
}

void Replica::OnWritable(Link&) { ring_.owner.OnWritable(); }

void Replica::OnDown(Link& link, std::vector<Held> held) {
  if (link_ != &link) return;
  link_ = nullptr;
  ring_.OnDown(*this, link.peer(), std::move(held));
}

}  // namespace parley::rpc

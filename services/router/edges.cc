#include "services/router/edges.h"

#include <algorithm>
#include <utility>

#include "libs/base/ids.h"
#include "services/router/pushes.h"

namespace parley::router {
namespace {

constexpr std::chrono::milliseconds kSweep{200};
// Between looks at a link, while a session ends that has deliveries on their way: an edge settles them in about that
// time, most often. Not a setting: how long it may take in all is one (router.handover_timeout).
constexpr std::chrono::milliseconds kSettling{1};

Failure FailureOf(rpc::RefusalReason reason) {
  switch (reason) {
    case link::v1::REFUSAL_REASON_OVERLOADED:
      return Failure::kFull;
    case link::v1::REFUSAL_REASON_SESSION_OVER:
      return Failure::kOver;
    default:  // an edge that stops is about to end its sessions: they are as good as gone
      return Failure::kGone;
  }
}

}  // namespace

Edges::Edges(Loop& loop, Nodes& nodes, const Options& options, Metrics& metrics, Owner& owner)
    : loop_(loop),
      nodes_(nodes),
      options_(options),
      metrics_(metrics),
      owner_(owner),
      timer_(loop.Every(kSweep, [this] { Sweep(); })) {}

std::uint64_t Edges::MarkOf(const Record& record) {
  return StableHash(record.queue(), StableHash(record.node_epoch(), StableHash(record.node())));
}

void Edges::Deliver(const Record& record, rpc::Held held) {
  held.envelope->set_leg(link::v1::LEG_DELIVER);
  held.envelope->set_session(record.session());
  const std::uint64_t came_from = std::exchange(held.mark, MarkOf(record));
  if (record.away_since() != 0) return owner_.OnUndelivered(std::move(held), Failure::kGone);
  if (const auto leaving = leaving_.find(record.session()); leaving != leaving_.end()) {
    const std::uint64_t owner = MarkOf(leaving->second.record);
    const bool older = came_from == owner && held.mark != owner;  // than what waits
    if (!older) return Wait(leaving->second, std::move(held));
  }
  Edge& edge = edges_[record.node()];
  // Others may queue for the session by now, and what an edge of that name took would come behind that. Unless it took
  // something before.
  if (IsDead(edge, record) && !HasFor(record)) {
    GiveBack(Extract(record), Failure::kGone);
    return owner_.OnUndelivered(std::move(held), Failure::kGone);
  }
  Hand(edge, std::move(held));
}

void Edges::Wait(Leaving& leaving, rpc::Held held) {
  // Who delivers from a store waits for the outcome, in the account's turn: it may not have to wait for that here.
  if (held.envelope->kept()) return owner_.OnUndelivered(std::move(held), Failure::kTimeout);
  held.mark = MarkOf(leaving.record);
  if (MayPark(leaving.waiting.size(), held)) leaving.waiting.push_back({std::move(held), Clock::now()});
}

bool Edges::IsDead(Edge& edge, const Record& record) {
  if (edge.epoch == record.node_epoch()) return edge.dead;
  if (nodes_.Dead(record)) return true;
  edge.epoch = record.node_epoch();
  edge.dead = false;
  return false;
}

bool Edges::HasFor(const Record& record) const {
  const auto* link = LinkOf(record.node());
  return link != nullptr && link->LastFor(record.session()) != 0;
}

bool Edges::MayGiveBack(const Record& record) const {
  if (HasFor(record)) return true;
  const auto place = edges_.find(record.node());
  return place != edges_.end() && place->second.parked.HasFor(record.session());
}

Task<void> Edges::Settled(Record record) const {
  const bool in_time = co_await SettledBefore(Clock::now() + options_.handover_timeout, std::move(record));
  if (!in_time) metrics_.limits_settling.Increment();
}

Task<void> Edges::SettledOrCutOff(std::vector<Record> records) const {
  const auto late = Clock::now() + options_.link_silence;
  for (auto& record : records) co_await SettledBefore(late, std::move(record));
}

Task<bool> Edges::SettledBefore(Clock::time_point late, Record record) const {
  auto* link = LinkOf(record.node());
  const std::uint64_t last = link == nullptr ? 0 : link->LastFor(record.session());
  if (last == 0) co_return true;
  link->Hurry();
  while (LinkOf(record.node()) == link && !link->IsSettledFor(record.session(), last)) {
    if (Clock::now() >= late) co_return false;
    co_await SleepFor(kSettling);
  }
  co_return true;
}

void Edges::Hand(Edge& edge, rpc::Held held) {
  if (edge.link != nullptr) return edge.link->SendHeld(std::move(held));
  if (MayPark(edge.parked.size(), held)) edge.parked.Add({std::move(held), Clock::now()});
}

// What waited, or had been sent before.
void Edges::HandLate(Edge& edge, rpc::Held held) {
  const bool outdated = edge.link != nullptr && IsPush(*held.envelope);
  if (outdated) return owner_.OnUndelivered(std::move(held), Failure::kOutdated);
  Hand(edge, std::move(held));
}

bool Edges::MayPark(std::size_t waiting, rpc::Held& held) {
  if (waiting < options_.max_parked) {
    CountParked(+1);
    return true;
  }
  metrics_.limits_parked.Increment();
  owner_.OnUndelivered(std::move(held), Failure::kFull);
  return false;
}

// From what is parked for its edge.
Parked::Items Edges::Extract(const Record& record) {
  const auto place = edges_.find(record.node());
  return place == edges_.end() ? Parked::Items() : place->second.parked.TakeOf(record.session());
}

std::vector<rpc::Held> Edges::TakeParked(const Record& record) {
  Parked::Items mine = Extract(record);
  if (const auto leaving = leaving_.extract(record.session())) {
    auto& waiting = leaving.mapped().waiting;
    std::move(waiting.begin(), waiting.end(), std::back_inserter(mine));
    for (auto& done : leaving.mapped().done) done(HandOver::kGone);
  }
  CountParked(-static_cast<int>(mine.size()));
  std::vector<rpc::Held> taken;
  for (auto& each : mine) {
    if (each.held.envelope->kept()) {
      each.held.receipt.Refuse(link::v1::REFUSAL_REASON_NO_SESSION);
    } else {
      taken.push_back(std::move(each.held));
    }
  }
  return taken;
}

void Edges::ForEachParked(const Record& record, const std::function<void(rpc::Held&)>& change) {
  const auto place = edges_.find(record.node());
  if (place != edges_.end()) place->second.parked.ForEachOf(record.session(), change);
}

void Edges::OnNodeDied(const Nodes::Node& node) {
  const auto place = edges_.find(node.instance);
  if (place == edges_.end() || place->second.epoch != node.epoch) return;
  place->second.dead = true;
  if (place->second.link != nullptr) return;
  Parked::Items parked = place->second.parked.TakeAll();
  edges_.erase(place);
  GiveBack(std::move(parked), Failure::kGone);
}

void Edges::OnUp(rpc::Link& link) {
  Edge& edge = edges_[link.peer().instance];
  edge.link = &link;
  nodes_.OnLinkUp(link.peer().epoch);
  Parked::Items parked = edge.parked.TakeAll();
  CountParked(-static_cast<int>(parked.size()));
  for (auto& each : parked) {
    each.held.envelope->set_repeat(true);
    HandLate(edge, std::move(each.held));
  }
}

void Edges::OnDown(rpc::Link& link, std::vector<rpc::Held> held) {
  Edge& edge = edges_[link.peer().instance];
  // It may have dialled anew before the old stream was known to be broken.
  if (edge.link == &link) edge.link = nullptr;
  for (auto& each : held) {
    if (each.envelope->has_hand_over()) {  // not for when it comes back
      each.receipt.Refuse(link::v1::REFUSAL_REASON_DRAINING);
      continue;
    }
    each.envelope->set_repeat(true);
    HandLate(edge, std::move(each));
  }
  nodes_.OnLinkDown(link.peer().epoch);
}

void Edges::OnRefused(rpc::Held held, rpc::RefusalReason reason) {
  if (held.envelope->has_hand_over()) return held.receipt.Refuse(reason);
  metrics_.undeliverable.Increment();
  owner_.OnUndelivered(std::move(held), FailureOf(reason));
}

void Edges::GiveBack(Parked::Items parked, Failure failure) {
  CountParked(-static_cast<int>(parked.size()));
  metrics_.undeliverable.Increment(static_cast<double>(parked.size()));
  for (auto& each : parked) owner_.OnUndelivered(std::move(each.held), failure);
}

void Edges::Sweep() {
  if (parked_ == 0) return;
  const auto late = Clock::now() - options_.edge_timeout;
  Parked::Items gone;
  Parked::Items timed_out;
  for (auto& [instance, edge] : edges_) {
    if (edge.parked.empty()) continue;
    const bool dead = nodes_.Dead(instance, edge.epoch);
    Parked::Items taken = dead ? edge.parked.TakeAll() : edge.parked.TakeBefore(late);
    std::move(taken.begin(), taken.end(), std::back_inserter(dead ? gone : timed_out));
  }
  GiveBack(std::move(gone), Failure::kGone);
  GiveBack(std::move(timed_out), Failure::kTimeout);
}

bool Edges::linked(const std::string& instance) const { return LinkOf(instance) != nullptr; }

rpc::Link* Edges::LinkOf(const std::string& instance) const {
  const auto place = edges_.find(instance);
  return place == edges_.end() ? nullptr : place->second.link;
}

std::size_t Edges::unacknowledged(const std::string& instance) const {
  const auto place = edges_.find(instance);
  if (place == edges_.end()) return 0;
  const auto* link = place->second.link;
  return place->second.parked.size() + (link == nullptr ? 0 : link->unacknowledged());
}

std::size_t Edges::unacknowledged() const {
  std::size_t count = parked_;
  for (const auto& [instance, edge] : edges_) {
    if (edge.link != nullptr) count += edge.link->unacknowledged();
  }
  return count;
}

void Edges::Hurry() {
  for (const auto& [instance, edge] : edges_) {
    if (edge.link != nullptr) edge.link->Hurry();
  }
}

void Edges::HurryOn() {
  for (const auto& [instance, edge] : edges_) {
    if (edge.link != nullptr) edge.link->HurryOn();
  }
}

void Edges::CountParked(int change) {
  parked_ += static_cast<std::size_t>(change);
  metrics_.parked.Set(static_cast<double>(parked_));
}

}  // namespace parley::router

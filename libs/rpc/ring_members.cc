#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/rpc/ring_state.h"

// Who the ring's members are, and what happens when that changes.
namespace parley::rpc {

void Ring::State::OnDiscovered(const std::vector<std::string>& addresses) {
  const std::set<std::string> found(addresses.begin(), addresses.end());
  for (const auto& address : found) {
    auto& replica = replicas[address];
    if (replica) {
      replica->set_listed(true);
      continue;
    }
    replica = std::make_unique<Replica>(*this, address);
    replica->Dial();
  }
  std::vector<Replica*> gone;
  for (const auto& [address, replica] : replicas) {
    if (!found.contains(address)) gone.push_back(replica.get());
  }
  for (Replica* replica : gone) {
    // It may only be unready: it finishes what it has, and sends to us, as long as its link is up.
    replica->set_listed(false);
    if (replica->link() == nullptr) Forget(*replica);
  }
  Reconsider();
  OnTried();
}

Replica* Ring::State::FindInstance(const std::string& instance) {
  for (const auto& [address, replica] : replicas) {
    if (replica->link() != nullptr && replica->link()->peer().instance == instance) return replica.get();
  }
  return nullptr;
}

void Ring::State::OnUp(Replica& replica) {
  const Peer peer = replica.link()->peer();
  if (local && peer.instance == self.instance) {
    const bool ourselves = peer.epoch == self.epoch;
    replica.HangUp(self.instance);
    if (ourselves) return Reconsider();
    log::Warn("ring_name_taken", {{"instance", peer.instance}, {"address", replica.address()}});
    replica.HangUp({});
    return replica.DialLater(options.link.reconnect_max);
  }
  const auto known = links.find(peer.instance);
  if (known != links.end() && known->second != replica.link()) {
    // One replica with two addresses.
    if (known->second->peer().epoch == peer.epoch) return replica.HangUp(peer.instance);
    // A new incarnation; the link to the former one has not noticed yet.
    for (const auto& [address, other] : replicas) {
      if (other->link() != known->second) continue;
      Sever(*other);
      break;
    }
  }
  if (draining) replica.link()->AnnounceDraining();
  links[peer.instance] = replica.link();
  Reconsider();
}

void Ring::State::OnDown(Replica& replica, const Peer& peer, std::vector<Held> held) {
  // All in one go: nothing may be sent for its keys before what it had.
  placement.Lost(peer.instance);
  links.erase(peer.instance);
  YieldToReplicas();
  replica.set_placed(false);
  for (auto& one : held) one.envelope->set_repeat(true);
  auto& returned = replica.returned();
  std::move(returned.begin(), returned.end(), std::back_inserter(held));
  returned.clear();
  std::sort(held.begin(), held.end(),
            [](const Held& a, const Held& b) { return a.envelope->seq() < b.envelope->seq(); });
  WaitFirst(std::move(held));
  if (!replica.listed()) Forget(replica);
  RedialAliases(peer.instance);
  Reconsider();
  Pump();
  TellAvailability();
}

void Ring::State::Forget(Replica& replica) {
  // Later: it may be its own link that is telling.
  loop.Post([still = alive, address = replica.address()] {
    if (*still == nullptr) return;
    auto& replicas = (*still)->replicas;
    const auto found = replicas.find(address);
    if (found != replicas.end() && !found->second->listed() && found->second->link() == nullptr) replicas.erase(found);
  });
}

void Ring::State::RedialAliases(const std::string& instance) {
  for (const auto& [address, replica] : replicas) {
    if (replica->alias_of() == instance) replica->Dial();
  }
}

bool Ring::State::KnowsItself() const {
  return std::any_of(replicas.begin(), replicas.end(), [&](const auto& entry) {
    return entry.second->listed() && entry.second->alias_of() == self.instance;
  });
}

bool Ring::State::LocalMayServe() const { return local && !draining && KnowsItself(); }

bool Ring::State::MayServe(const Replica& replica) const {
  if (replica.link() == nullptr || !replica.listed() || replica.draining()) return false;
  const auto known = links.find(replica.link()->peer().instance);
  return known != links.end() && known->second == replica.link();
}

// Those serve of whom there is none better.
Standing Ring::State::BestStanding() const {
  Standing best = LocalMayServe() ? standing : Standing::kAway;
  for (const auto& [address, replica] : replicas) {
    if (MayServe(*replica)) best = std::min(best, replica->standing());
  }
  return best;
}

void Ring::State::Reconsider(const std::string& changeover) {
  const Standing best = BestStanding();
  std::vector<Replica*> severing;
  Placement::Members members;
  for (const auto& [address, replica] : replicas) {
    const bool should = MayServe(*replica) && replica->standing() == best;
    if (should == replica->placed()) continue;
    // It may hold what it has for long, as it lacks something.
    if (!should && MayServe(*replica) && replica->standing() == Standing::kAway) {
      severing.push_back(replica.get());
    } else {
      (should ? members.entering : members.leaving).push_back(replica->link()->peer().instance);
      Place(*replica, should);
    }
  }
  const bool local_should = LocalMayServe() && standing == best;
  if (std::exchange(local_placed, local_should) != local_should) {
    links[self.instance] = local.get();
    (local_should ? members.entering : members.leaving).push_back(self.instance);
  }
  if (!members.entering.empty() || !members.leaving.empty() || !changeover.empty()) Change(members, changeover);
  for (Replica* replica : severing) Sever(*replica);
}

void Ring::State::Place(Replica& replica, bool placed) {
  replica.set_placed(placed);
  log::Info(placed ? "ring_joined" : "ring_left",
            {{"instance", replica.link()->peer().instance}, {"address", replica.address()}});
}

void Ring::State::Sever(Replica& replica) {
  const Peer peer = replica.link()->peer();
  if (replica.placed()) Place(replica, false);
  OnDown(replica, peer, replica.Strip());
  replica.Dial();
}

void Ring::State::OnChangedOver(Replica& replica) {
  placement.ChangedOver(replica.link()->peer().instance);
  Reconsider();
  Pump();
}

void Ring::State::YieldToReplicas() {
  for (const auto& instance : placement.TakeYielding()) {
    const auto link = links.find(instance);
    if (link != links.end()) link->second->Yield();
  }
}

void Ring::State::Gather() {
  if (gathering) return;
  for (const auto& [address, replica] : replicas) replica->Try();
  if (AllTried()) return;
  gathering = true;
  gathering_limit = loop.After(options.link.settle_timeout, [this] { OnGatherTimeout(); });
}

bool Ring::State::AllTried() const {
  return std::none_of(replicas.begin(), replicas.end(),
                      [](const auto& entry) { return entry.second->listed() && entry.second->untried(); });
}

void Ring::State::OnTried() {
  if (gathering && AllTried()) StopGathering();
}

void Ring::State::OnGatherTimeout() {
  metrics.SettledLate();
  for (const auto& [address, replica] : replicas) {
    if (replica->listed() && replica->untried()) log::Warn("ring_incomplete", {{"address", address}});
  }
  StopGathering();
}

void Ring::State::StopGathering() {
  gathering = false;
  gathering_limit.Cancel();
  Pump();
  TellAvailability();
}

void Ring::State::Change(const Placement::Members& members, const std::string& changeover) {
  std::set<std::string> busy;
  for (const auto& [instance, link] : links) {
    if (link->unacknowledged() > 0) busy.insert(instance);
  }
  const std::uint64_t change = placement.Change(members, busy, changeover);
  if (!available && placement.size() > 0) Gather();
  for (const auto& instance : busy) {
    links[instance]->WhenSettled([still = alive, change, instance] {
      if (*still != nullptr) (*still)->OnSettled(change, instance);
    });
  }
  if (!busy.empty() || !changeover.empty()) {
    std::erase_if(settle_timers, [](const Loop::Timer& timer) { return !timer.armed(); });
    settle_timers.push_back(loop.After(options.link.settle_timeout, [this, change] { OnSettleTimeout(change); }));
  }
  YieldToReplicas();
  // What waited goes before what the owner sends when it hears of it.
  Pump();
  TellAvailability();
}

void Ring::State::OnSettled(std::uint64_t change, const std::string& instance) {
  placement.Settled(change, instance);
  YieldToReplicas();
  if (Replica* replica = FindInstance(instance)) Redirect(*replica);
  Pump();
}

void Ring::State::OnSettleTimeout(std::uint64_t change) {
  if (placement.Expire(change)) metrics.SettledLate();
  for (const auto& [address, replica] : replicas) Redirect(*replica);
  Pump();
}

void Ring::State::OnReturned(Replica& replica) {
  Reconsider();
  Redirect(replica);
  Pump();
}

// What the replica gave back goes elsewhere, once nothing older is left with it.
void Ring::State::Redirect(Replica& replica) {
  if (replica.returned().empty()) return;
  if (replica.link() != nullptr && placement.Awaited(replica.link()->peer().instance)) return;
  auto returned = std::exchange(replica.returned(), {});
  std::sort(returned.begin(), returned.end(),
            [](const Held& a, const Held& b) { return a.envelope->seq() < b.envelope->seq(); });
  WaitFirst(std::move(returned));
}

}  // namespace parley::rpc

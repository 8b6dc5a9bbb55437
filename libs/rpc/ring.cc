#include "libs/rpc/ring.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "libs/base/ids.h"
#include "libs/base/log.h"
#include "libs/rpc/ring_state.h"

namespace parley::rpc {

using Clock = std::chrono::steady_clock;

Ring::State::State(Loop& loop_, Self self_, Options options_, Owner& owner_, Local local_)
    : loop(loop_), self(std::move(self_)), options(std::move(options_)), metrics(options.link.metrics), owner(owner_) {
  alive = std::make_shared<State*>(this);
  if (local_) local = std::make_unique<LocalLink>(loop, self, options.link, owner, std::move(local_));
  discovery = std::make_unique<Discovery>(
      loop, options.discovery, [this](const std::vector<std::string>& addresses) { OnDiscovered(addresses); });
}

Ring::State::~State() {
  *alive = nullptr;
  for (auto& asking : asking_later) asking->timer.Cancel();  // which holds on to it
  for (auto& entry : waiting) entry.held.receipt.Abandon();
  for (auto& [address, replica] : replicas) {
    for (auto& held : replica->returned()) held.receipt.Abandon();
  }
}

// ---- envelopes

Link* Ring::State::LinkOf(const std::string* instance) const {
  const auto link = instance == nullptr ? links.end() : links.find(*instance);
  return link == links.end() ? nullptr : link->second;
}

Link* Ring::State::Home(std::uint64_t key) const { return gathering ? nullptr : LinkOf(placement.Choose(key)); }

Link* Ring::State::HomeYet(std::uint64_t key) const {
  Link* link = gathering ? nullptr : LinkOf(placement.ChooseYet(key));
  return link == nullptr ? Home(key) : link;
}

Link* Ring::State::Route(std::uint64_t key) const { return placement.Blocked(key) ? nullptr : Home(key); }

void Ring::State::Send(Held held) {
  if (Link* link = Route(held.mark)) return link->SendHeld(std::move(held));
  if (waiting.size() < options.link.max_waiting) return Wait(std::move(held));
  metrics.TooManyWait();
  GiveBack(std::move(held), link::v1::REFUSAL_REASON_OVERLOADED);
}

bool Ring::State::Congested(std::uint64_t key) const {
  const Link* home = Home(key);
  return home == nullptr || home->congested() || waiting.size() > options.link.max_waiting / 2;
}

void Ring::State::Wait(Held held) {
  // While we are cut off, who gave it to us may give it to another, too.
  if (!available) held.envelope->set_repeat(true);
  waiting.push_back({std::move(held), Clock::now()});
  if (waiting_timer.armed()) return;
  const auto tick = std::max(options.no_replica_timeout / 10, std::chrono::milliseconds(10));
  waiting_timer = loop.Every(tick, [this] { GiveUpOld(); });
}

void Ring::State::WaitFirst(std::vector<Held> held) {
  if (held.empty()) return;
  auto younger = std::exchange(waiting, {});
  for (auto& one : held) Wait(std::move(one));
  std::move(younger.begin(), younger.end(), std::back_inserter(waiting));
}

void Ring::State::Pump() {
  auto candidates = std::exchange(waiting, {});
  const std::size_t before = candidates.size();
  for (auto& candidate : candidates) {
    Link* link = Route(candidate.held.mark);
    if (link == nullptr) {
      waiting.push_back(std::move(candidate));
    } else if (owner.MayGo(*candidate.held.envelope)) {
      link->SendHeld(std::move(candidate.held));
    } else {
      GiveBack(std::move(candidate.held), link::v1::REFUSAL_REASON_UNSPECIFIED);
    }
  }
  if (waiting.empty()) waiting_timer.Cancel();
  for (auto& asking : std::exchange(asking_later, {})) Ask(asking);
  if (waiting.size() < before) owner.OnWritable();
}

void Ring::State::GiveUpOld() {
  // With a replica they wait for a placement to settle, or for other replicas, which has its own limit.
  if (placement.size() > 0) return;
  const auto limit = Clock::now() - options.no_replica_timeout;
  std::vector<Held> old;
  auto candidates = std::exchange(waiting, {});
  for (auto& candidate : candidates) {
    if (candidate.since <= limit) {
      old.push_back(std::move(candidate.held));
    } else {
      waiting.push_back(std::move(candidate));
    }
  }
  if (waiting.empty()) waiting_timer.Cancel();
  const auto still = alive;
  for (auto& held : old) {
    if (*still == nullptr) return held.receipt.Abandon();
    owner.OnUndeliverable(std::move(held), link::v1::REFUSAL_REASON_UNSPECIFIED);
  }
}

void Ring::State::GiveBack(Held held, RefusalReason reason) {
  // Shared only because a std::function must be copyable.
  auto shared = std::make_shared<Held>(std::move(held));
  loop.Post([still = alive, shared, reason] {
    if (*still == nullptr) return shared->receipt.Abandon();
    (*still)->owner.OnUndeliverable(std::move(*shared), reason);
  });
}

void Ring::State::TellAvailability() {
  const bool now = placement.size() > 0 && !gathering;
  if (std::exchange(available, now) != now) owner.OnAvailability(now);
}

// ---- asks

void Ring::State::Ask(const std::shared_ptr<Asking>& asking) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(asking->deadline - Clock::now());
  Link* home = HomeYet(asking->key);
  if (home == nullptr) return AskLater(asking);
  asking->timer.Cancel();
  auto body = asking->tried_again ? std::move(asking->body) : asking->body;
  home->Ask(std::move(body), std::max(left, std::chrono::milliseconds(1)),
            [still = alive, asking](Result<std::string> answer) {
              const bool broken = !answer && answer.error().message() == kLinkBroken;
              // Asks are idempotent. One more try: a second break may be the ask's own doing.
              if (broken && *still != nullptr && !std::exchange(asking->tried_again, true)) {
                return (*still)->Ask(asking);
              }
              asking->done(std::move(answer));
            });
}

void Ring::State::AskLater(const std::shared_ptr<Asking>& asking) {
  asking_later.push_back(asking);
  if (asking->timer.armed()) return;
  asking->timer = loop.After(asking->deadline - Clock::now(), [still = alive, asking] {
    if (*still == nullptr) return;
    (*still)->asking_later.remove(asking);
    asking->done(Error(asking->tried_again ? kLinkBroken : kNoReplica));
  });
}

// ---- the public face

Ring::Ring(Loop& loop, Self self, Options options, Owner& owner, Local local)
    : state_(std::make_unique<State>(loop, std::move(self), std::move(options), owner, std::move(local))) {}

Ring::~Ring() = default;

bool Ring::Send(std::string_view key, std::unique_ptr<Envelope> envelope, Receipt receipt) {
  const std::uint64_t hash = StableHash(key);
  state_->Send({std::move(envelope), std::move(receipt), hash});
  return state_->Congested(hash);
}

void Ring::Ask(std::string_view key, std::string body, std::chrono::milliseconds timeout, Link::Done done) {
  auto asking = std::make_shared<State::Asking>();
  asking->key = StableHash(key);
  asking->body = std::move(body);
  asking->deadline = Clock::now() + timeout;
  asking->done = std::move(done);
  state_->Ask(asking);
}

std::string Ring::InstanceFor(std::string_view key) const {
  const Link* home = state_->HomeYet(StableHash(key));
  return home == nullptr ? std::string() : home->peer().instance;
}

bool Ring::congested(std::string_view key) const { return state_->Congested(StableHash(key)); }

bool Ring::settling(std::string_view key) const { return state_->placement.Blocked(StableHash(key)); }

bool Ring::complete() const { return state_->AllTried() && (!state_->local || state_->KnowsItself()); }

bool Ring::available() const { return state_->available; }

std::vector<const Link*> Ring::links() const {
  std::vector<const Link*> links;
  for (const auto& [instance, link] : state_->links) links.push_back(link);
  return links;
}

std::size_t Ring::AskOthers(const std::string& body, std::chrono::milliseconds timeout, const Link::Done& done) {
  std::size_t asked = 0;
  for (const auto& [instance, link] : state_->links) {
    if (link == state_->local.get()) continue;
    link->Ask(body, timeout, done);
    ++asked;
  }
  return asked;
}

void Ring::Announce(Standing standing) {
  state_->standing = standing;
  state_->Reconsider();
  // Whoever else has asked us asks again, too, as its link to us breaks.
  if (standing == Standing::kAway && state_->local) state_->local->GiveUpAsks();
}

void Ring::AnnounceDraining() {
  state_->draining = true;
  for (const auto& [instance, link] : state_->links) link->AnnounceDraining();
  state_->Reconsider();
}

void Ring::Hurry() {
  for (const auto& [instance, link] : state_->links) link->Hurry();
}

void Ring::HurryOn() {
  for (const auto& [instance, link] : state_->links) link->HurryOn();
}

std::size_t Ring::unacknowledged() const {
  std::size_t count = state_->waiting.size();
  for (const auto& [address, replica] : state_->replicas) count += replica->returned().size();
  for (const auto& [instance, link] : state_->links) count += link->unacknowledged();
  return count;
}

}  // namespace parley::rpc

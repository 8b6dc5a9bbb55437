#include "libs/rpc/placement.h"

#include <algorithm>
#include <utility>

namespace parley::rpc {

const std::string* Placement::Former(const Change& change, std::uint64_t key) const {
  const std::string* now = Choose(key);
  const std::string* then = change.before.ChooseHash(key);
  return then != nullptr && now != nullptr && *then != *now ? then : nullptr;
}

const std::string* Placement::ChooseYet(std::uint64_t key) const {
  for (const auto& change : changes_) {
    const std::string* then = change.changeover.empty() ? nullptr : Former(change, key);
    if (then != nullptr) return then;
  }
  return Choose(key);
}

bool Placement::Blocked(std::uint64_t key) const {
  return std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) {
    const std::string* then = Former(change, key);
    return then != nullptr && (!change.changeover.empty() || change.busy.contains(*then));
  });
}

std::uint64_t Placement::BeginSettling(Rendezvous before, std::set<std::string> busy, std::string changeover) {
  const std::uint64_t id = ++last_change_;
  changes_.push_back({id, std::move(before), std::move(busy), std::move(changeover)});
  Forget();
  return id;
}

void Placement::ChangedOver(const std::string& instance) {
  for (auto& change : changes_) {
    if (change.changeover == instance) change.changeover.clear();
  }
  Forget();
}

bool Placement::ChangesOver(const std::string& instance) const {
  return std::any_of(changes_.begin(), changes_.end(),
                     [&](const Change& change) { return change.changeover == instance; });
}

std::vector<std::string> Placement::TakeYielding() {
  std::vector<std::string> yielding;
  for (auto& change : changes_) {
    if (change.changeover.empty() || !change.busy.empty() || std::exchange(change.yielded, true)) continue;
    yielding.push_back(change.changeover);
  }
  return yielding;
}

void Placement::Settled(std::uint64_t change, const std::string& instance) {
  for (auto& candidate : changes_) {
    if (candidate.id == change) candidate.busy.erase(instance);
  }
  Forget();
}

bool Placement::Expire(std::uint64_t change) {
  return std::erase_if(changes_, [&](const Change& candidate) { return candidate.id == change; }) > 0;
}

void Placement::Lost(const std::string& instance) {
  for (auto& change : changes_) change.busy.erase(instance);
  ChangedOver(instance);
}

bool Placement::Awaited(const std::string& instance) const {
  return std::any_of(changes_.begin(), changes_.end(),
                     [&](const Change& change) { return change.busy.contains(instance); });
}

void Placement::Forget() {
  std::erase_if(changes_, [](const Change& change) { return change.busy.empty() && change.changeover.empty(); });
}

}  // namespace parley::rpc

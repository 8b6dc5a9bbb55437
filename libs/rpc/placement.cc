#include "libs/rpc/placement.h"

#include <algorithm>
#include <utility>

namespace parley::rpc {

bool Placement::Blocked(std::uint64_t key) const {
  if (changes_.empty()) return false;
  const std::string* now = Choose(key);
  if (now == nullptr) return false;
  const std::string* yet = ChooseYet(key);
  if (yet != nullptr && *yet != *now) return true;
  return std::any_of(changes_.begin(), changes_.end(), [&](const Pending& change) {
    const std::string* then = change.before.ChooseHash(key);
    return then != nullptr && *then != *now && change.busy.contains(*then);
  });
}

void Placement::Apply(const Members& members, Rendezvous& placement) {
  for (const auto& instance : members.entering) placement.Add(instance);
  for (const auto& instance : members.leaving) placement.Remove(instance);
}

std::uint64_t Placement::Change(Members members, std::set<std::string> busy, std::string changeover) {
  const std::uint64_t id = ++last_change_;
  Rendezvous before = current_;
  Apply(members, current_);
  if (changeover.empty()) Apply(members, yet_);
  changes_.push_back({id, std::move(before), std::move(members), std::move(busy), std::move(changeover)});
  Forget();
  return id;
}

// What has come or gone since then by another change stays so.
void Placement::EndChangeover(Pending& change) {
  if (std::exchange(change.changeover, {}).empty()) return;
  for (const auto& instance : change.members.entering) {
    if (current_.Has(instance)) yet_.Add(instance);
  }
  for (const auto& instance : change.members.leaving) {
    if (!current_.Has(instance)) yet_.Remove(instance);
  }
}

void Placement::ChangedOver(const std::string& instance) {
  for (auto& change : changes_) {
    if (change.changeover == instance) EndChangeover(change);
  }
  Forget();
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
  for (auto& candidate : changes_) {
    if (candidate.id == change) EndChangeover(candidate);
  }
  return std::erase_if(changes_, [&](const Pending& candidate) { return candidate.id == change; }) > 0;
}

void Placement::Lost(const std::string& instance) {
  current_.Remove(instance);
  yet_.Remove(instance);
  for (auto& change : changes_) change.busy.erase(instance);
  ChangedOver(instance);
}

bool Placement::Awaited(const std::string& instance) const {
  return std::any_of(changes_.begin(), changes_.end(),
                     [&](const Pending& change) { return change.busy.contains(instance); });
}

void Placement::Forget() {
  std::erase_if(changes_, [](const Pending& change) { return change.busy.empty() && change.changeover.empty(); });
}

}  // namespace parley::rpc

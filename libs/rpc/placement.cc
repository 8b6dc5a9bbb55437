#include "libs/rpc/placement.h"

#include <algorithm>
#include <utility>

namespace parley::rpc {

bool Placement::Blocked(std::uint64_t key) const {
  if (changes_.empty()) return false;
  const std::string* now = Choose(key);
  for (const auto& change : changes_) {
    const std::string* then = change.before.ChooseHash(key);
    if (then != nullptr && now != nullptr && *then != *now && change.busy.contains(*then)) return true;
  }
  return false;
}

std::uint64_t Placement::BeginSettling(Rendezvous before, std::set<std::string> busy) {
  const std::uint64_t id = ++last_change_;
  if (!busy.empty()) changes_.push_back({id, std::move(before), std::move(busy)});
  return id;
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
  Forget();
}

bool Placement::Awaited(const std::string& instance) const {
  return std::any_of(changes_.begin(), changes_.end(),
                     [&](const Change& change) { return change.busy.contains(instance); });
}

void Placement::Forget() {
  std::erase_if(changes_, [](const Change& change) { return change.busy.empty(); });
}

}  // namespace parley::rpc

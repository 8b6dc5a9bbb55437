#include <algorithm>

#include "libs/base/ids.h"
#include "libs/rpc/ring.h"

namespace parley::rpc {
namespace {

// splitmix64's finalizer: each bit of the input moves every bit of the output.
std::uint64_t Mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

// Sorted, so that a tie is decided alike everywhere.
void Rendezvous::Add(const std::string& instance) {
  const auto at = std::lower_bound(members_.begin(), members_.end(), instance,
                                   [](const auto& member, const auto& name) { return member.first < name; });
  if (at == members_.end() || at->first != instance) members_.emplace(at, instance, StableHash(instance));
}

void Rendezvous::Remove(const std::string& instance) {
  std::erase_if(members_, [&](const auto& member) { return member.first == instance; });
}

bool Rendezvous::Has(const std::string& instance) const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& member) { return member.first == instance; });
}

const std::string* Rendezvous::Choose(std::string_view key) const { return ChooseHash(StableHash(key)); }

const std::string* Rendezvous::ChooseHash(std::uint64_t hash) const {
  const std::string* best = nullptr;
  std::uint64_t best_weight = 0;
  for (const auto& [instance, seed] : members_) {
    const std::uint64_t weight = Mix(hash ^ seed);
    if (best == nullptr || weight > best_weight) {
      best = &instance;
      best_weight = weight;
    }
  }
  return best;
}

}  // namespace parley::rpc

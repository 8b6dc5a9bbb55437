#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "services/roster/contacts/roster_rules.h"

namespace parley::roster {

// Rosters, subscription states and kept subscription requests. Each call is one transaction: roster, states, counters
// and version change together or not at all. A change that names its origin is recognised when it is asked again, until
// it is forgotten. Replies come on the loop's thread.
class RosterStore {
 public:
  template <class T>
  using Reply = std::function<void(Outcome<T>)>;

  virtual ~RosterStore() = default;
  virtual void Get(const v1::GetRoster& ask, Reply<v1::Roster> reply) = 0;
  virtual void Set(const v1::SetItem& ask, Reply<v1::ItemChange> reply) = 0;
  virtual void Remove(const v1::RemoveItem& ask, Reply<v1::ItemChange> reply) = 0;
  virtual void Apply(const v1::ApplySubscription& ask, Reply<v1::SubscriptionChange> reply) = 0;
  virtual void Pending(const v1::PendingSubscriptions& ask, Reply<v1::Pending> reply) = 0;
  virtual void Account(const v1::AccountInfo& ask, Reply<v1::Account> reply) = 0;
  // Forgets some of the changes made longer ago than `age`; how many.
  virtual void Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) = 0;
};

}  // namespace parley::roster

#pragma once

#include "services/roster/contacts/roster_store.h"
#include "services/roster/database.h"

namespace parley::roster {

class PgRosterStore final : public RosterStore {
 public:
  PgRosterStore(Database& database, RosterLimits limits) : database_(database), limits_(limits) {}

  void Get(const v1::GetRoster& ask, Reply<v1::Roster> reply) override;
  void Set(const v1::SetItem& ask, Reply<v1::ItemChange> reply) override;
  void Remove(const v1::RemoveItem& ask, Reply<v1::ItemChange> reply) override;
  void Apply(const v1::ApplySubscription& ask, Reply<v1::SubscriptionChange> reply) override;
  void Pending(const v1::PendingSubscriptions& ask, Reply<v1::Pending> reply) override;
  void Account(const v1::AccountInfo& ask, Reply<v1::Account> reply) override;
  void Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) override;

 private:
  Database& database_;
  RosterLimits limits_;
};

}  // namespace parley::roster

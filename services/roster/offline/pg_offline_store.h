#pragma once

#include "services/roster/database.h"
#include "services/roster/offline/offline_store.h"

namespace parley::roster {

class PgOfflineStore final : public OfflineStore {
 public:
  PgOfflineStore(Database& database, OfflineLimits limits) : database_(database), limits_(limits) {}

  void Store(std::vector<v1::StoreOffline> messages, Reply<StoredEach> reply) override;
  void Fetch(const v1::FetchOffline& ask, Reply<v1::OfflineMessages> reply) override;
  void Delete(const v1::DeleteOffline& ask, Reply<v1::Deleted> reply) override;
  void Forget(std::chrono::milliseconds age, Reply<std::uint32_t> reply) override;

 private:
  Database& database_;
  OfflineLimits limits_;
};

}  // namespace parley::roster

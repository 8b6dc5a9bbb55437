#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/rpc/methods.h"
#include "libs/telemetry/metrics.h"
#include "parley/transfer/v1/transfer.pb.h"
#include "services/roster/accounts/account_store.h"
#include "services/roster/accounts/key_pool.h"
#include "services/roster/contacts/roster_rules.h"
#include "services/roster/database.h"
#include "services/roster/offline/offline_store.h"

namespace parley::roster {

struct TransferOptions {
  std::set<std::string> domains;  // those that this cluster serves
  RosterLimits roster;
  OfflineLimits offline;
  std::size_t max_import = 1000;  // users in one message
  std::size_t max_password_bytes = 1024;
};

// parley.transfer.v1.Transfer: whole accounts out and in. Loop's thread only.
class Transfer {
 public:
  Transfer(Database& database, KeyPool& keys, TransferOptions options, telemetry::Metrics& metrics);
  // For the server; not to be called once this is gone.
  void AddTo(rpc::Methods& methods);

 private:
  class Import;
  void Export(const transfer::v1::ExportRequest& request, rpc::Respond<transfer::v1::ExportResponse> respond);
  void Take(const transfer::v1::ImportRequest& request, rpc::Respond<transfer::v1::ImportProgress> respond);
  void Store(std::shared_ptr<Import> import);

  Database& database_;
  KeyPool& keys_;
  const TransferOptions options_;
  prometheus::Counter& exported_;
  prometheus::Counter& imported_;
};

}  // namespace parley::roster

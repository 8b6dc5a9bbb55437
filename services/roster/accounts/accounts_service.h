#pragma once

#include <memory>

#include "libs/base/loop.h"
#include "libs/telemetry/metrics.h"
#include "services/roster/accounts/accounts.h"

namespace grpc {
class Service;
}

namespace parley::roster {

// parley.accounts.v1.Accounts over gRPC: calls arrive on gRPC's threads and are handled on the loop's.
class AccountsService {
 public:
  AccountsService(Loop& loop, Accounts& accounts, telemetry::Metrics& metrics);
  ~AccountsService();
  grpc::Service* service();
  // Calls that are not answered yet. Loop's thread.
  std::size_t under_way() const;

 private:
  class Rpc;
  std::unique_ptr<Rpc> rpc_;
};

}  // namespace parley::roster

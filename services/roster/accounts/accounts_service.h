#pragma once

#include <cstddef>
#include <memory>

#include "libs/rpc/methods.h"
#include "libs/telemetry/metrics.h"
#include "services/roster/accounts/accounts.h"

namespace parley::roster {

// parley.accounts.v1.Accounts, counted. Loop's thread only.
class AccountsService {
 public:
  AccountsService(Accounts& accounts, telemetry::Metrics& metrics);
  ~AccountsService();
  // For the server; not to be called once this is gone.
  rpc::Methods methods();
  // Calls that are not answered yet.
  std::size_t under_way() const;

 private:
  class Calls;
  std::shared_ptr<Calls> calls_;
};

}  // namespace parley::roster

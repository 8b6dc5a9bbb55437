#pragma once

#include <set>
#include <string>

#include "libs/config/config.h"
#include "libs/storage/postgres.h"
#include "services/roster/accounts/accounts.h"
#include "services/roster/accounts/key_pool.h"
#include "services/roster/contacts/roster_rules.h"
#include "services/roster/foundation.h"
#include "services/roster/offline/offline_store.h"
#include "services/roster/offline/offline_writer.h"
#include "services/roster/transfer/transfer.h"

// From the configuration to what each part takes.
namespace parley::roster {

storage::PostgresOptions PostgresOf(const config::Postgres& config);
RosterLimits RosterLimitsOf(const config::Roster& config);
OfflineLimits OfflineLimitsOf(const config::Roster& config);
WriterOptions WriterOf(const config::Config& config);
AccountOptions AccountsOf(const config::Config& config);
KeyPoolOptions KeyPoolOf(const config::Roster& config);
TransferOptions TransferOf(const config::Config& config);
FoundationOptions FoundationOf(const config::Config& config);

}  // namespace parley::roster

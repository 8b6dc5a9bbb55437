#pragma once

#include <cstdint>

#include "libs/base/result.h"
#include "parley/transfer/v1/transfer.pb.h"
#include "services/roster/accounts/account_store.h"
#include "services/roster/transfer/transfer.h"

namespace parley::roster {

struct Dropped {
  std::uint64_t contacts = 0;
  std::uint64_t messages = 0;
};

// What another server wrote becomes what we keep: JIDs prepared, names and groups within their limits, each contact
// once, messages to the account; what does not fit is dropped and counted. The problem if the account cannot be made.
Result<transfer::v1::User, AccountProblem> Checked(const transfer::v1::User& user, const TransferOptions& options,
                                                   Dropped& dropped);
// Keys whose lengths are not those of their hash would let nobody in.
Result<ScramKeys, AccountProblem> CheckedKeys(const transfer::v1::User& user);

}  // namespace parley::roster

#pragma once

#include <cstdint>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <vector>

#include "services/roster/accounts/account_store.h"
#include "services/roster/database.h"

// The SQL of accounts and credentials. Transactions are on the pool's threads.
namespace parley::roster::rows {

void PrepareAccounts(pqxx::connection& connection);

// Those of an account, or PROBLEM_NO_ACCOUNT.
Query<ScramKeys, AccountProblem> ReadKeys(std::string_view jid);
// The ids of those that are new, 0 for the others. `jids` has no duplicates.
std::vector<std::int64_t> InsertAccounts(pqxx::transaction_base& tx, const std::vector<std::string_view>& jids);
struct OwnedKeys {
  std::int64_t account = 0;
  const ScramKeys* keys = nullptr;
};
void InsertKeys(pqxx::transaction_base& tx, const std::vector<OwnedKeys>& owned);
void DeleteKeys(pqxx::transaction_base& tx, std::int64_t account);
// Locked until the transaction ends.
std::optional<std::int64_t> LockAccount(pqxx::transaction_base& tx, std::string_view jid);
void DeleteAccount(pqxx::transaction_base& tx, std::int64_t account);
std::vector<bool> AccountsExist(pqxx::transaction_base& tx, const std::vector<std::string>& jids);
AccountPage ListAccounts(pqxx::transaction_base& tx, const std::string& domain, const std::string& after,
                         std::uint32_t limit);
std::uint64_t CountAccounts(pqxx::transaction_base& tx, const std::string& domain);
IterationSurvey SurveyIterations(pqxx::transaction_base& tx, std::uint32_t accounts);

}  // namespace parley::roster::rows

#include "services/roster/accounts/pg_account_store.h"

#include <map>
#include <memory>
#include <utility>

#include "services/roster/accounts/account_rows.h"

namespace parley::roster {
namespace {

using accounts::v1::PROBLEM_NO_ACCOUNT;
using accounts::v1::PROBLEM_STORE;
template <class T>
using Outcome = Result<T, AccountProblem>;
template <class T>
using Job = Database::Job<T, AccountProblem>;

std::vector<bool> CreateAll(pqxx::transaction_base& tx, const std::vector<NewAccount>& accounts) {
  std::map<std::string_view, std::size_t> first;  // index of each JID's first account
  std::vector<std::string_view> jids;
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    if (first.emplace(accounts[i].jid, i).second) jids.push_back(accounts[i].jid);
  }
  const auto ids = rows::InsertAccounts(tx, jids);
  std::vector<bool> created(accounts.size(), false);
  std::vector<rows::OwnedKeys> keys;
  for (std::size_t i = 0; i < jids.size(); ++i) {
    if (ids[i] == 0) continue;
    const std::size_t index = first[jids[i]];
    created[index] = true;
    keys.push_back({ids[i], &accounts[index].keys});
  }
  if (!keys.empty()) rows::InsertKeys(tx, keys);
  return created;
}

}  // namespace

void PgAccountStore::Keys(const std::string& jid, Reply<ScramKeys> reply) {
  database_.Read(rows::ReadKeys(jid), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::Create(std::vector<NewAccount> accounts, Reply<std::vector<bool>> reply) {
  const auto all = std::make_shared<const std::vector<NewAccount>>(std::move(accounts));
  Job<std::vector<bool>> job = [all](pqxx::connection& connection) -> Outcome<std::vector<bool>> {
    pqxx::work tx(connection);
    auto created = CreateAll(tx, *all);
    tx.commit();
    return created;
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::SetKeys(const std::string& jid, ScramKeys keys, Reply<Ok> reply) {
  Job<Ok> job = [jid, keys = std::move(keys)](pqxx::connection& connection) -> Outcome<Ok> {
    pqxx::work tx(connection);
    const auto account = rows::LockAccount(tx, jid);
    if (!account) return PROBLEM_NO_ACCOUNT;
    rows::DeleteKeys(tx, *account);
    rows::InsertKeys(tx, {{*account, &keys}});
    tx.commit();
    return Ok{};
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::Delete(const std::string& jid, Reply<Ok> reply) {
  Job<Ok> job = [jid](pqxx::connection& connection) -> Outcome<Ok> {
    pqxx::work tx(connection);
    const auto account = rows::LockAccount(tx, jid);
    if (!account) return PROBLEM_NO_ACCOUNT;
    rows::DeleteAccount(tx, *account);
    tx.commit();
    return Ok{};
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::Exist(std::vector<std::string> jids, Reply<std::vector<bool>> reply) {
  Job<std::vector<bool>> job = [jids = std::move(jids)](pqxx::connection& connection) -> Outcome<std::vector<bool>> {
    pqxx::nontransaction tx(connection);
    return rows::AccountsExist(tx, jids);
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::List(const std::string& domain, const std::string& after, std::uint32_t limit,
                          Reply<AccountPage> reply) {
  Job<AccountPage> job = [domain, after, limit](pqxx::connection& connection) -> Outcome<AccountPage> {
    pqxx::nontransaction tx(connection);
    return rows::ListAccounts(tx, domain, after, limit);
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::Count(const std::string& domain, Reply<std::uint64_t> reply) {
  Job<std::uint64_t> job = [domain](pqxx::connection& connection) -> Outcome<std::uint64_t> {
    pqxx::nontransaction tx(connection);
    return rows::CountAccounts(tx, domain);
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

void PgAccountStore::Survey(std::uint32_t accounts, Reply<IterationSurvey> reply) {
  Job<IterationSurvey> job = [accounts](pqxx::connection& connection) -> Outcome<IterationSurvey> {
    pqxx::nontransaction tx(connection);
    return rows::SurveyIterations(tx, accounts);
  };
  database_.Run(std::move(job), PROBLEM_STORE, std::move(reply));
}

}  // namespace parley::roster

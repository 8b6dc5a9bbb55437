#pragma once

#include "services/roster/accounts/account_store.h"
#include "services/roster/database.h"

namespace parley::roster {

class PgAccountStore final : public AccountStore {
 public:
  explicit PgAccountStore(Database& database) : database_(database) {}

  void Keys(const std::string& jid, Reply<ScramKeys> reply) override;
  void Create(std::vector<NewAccount> accounts, Reply<std::vector<bool>> reply) override;
  void SetKeys(const std::string& jid, ScramKeys keys, Reply<Ok> reply) override;
  void Delete(const std::string& jid, Reply<Ok> reply) override;
  void Exist(std::vector<std::string> jids, Reply<std::vector<bool>> reply) override;
  void List(const std::string& domain, const std::string& after, std::uint32_t limit,
            Reply<AccountPage> reply) override;
  void Count(const std::string& domain, Reply<std::uint64_t> reply) override;
  void Survey(std::uint32_t accounts, Reply<IterationSurvey> reply) override;

 private:
  Database& database_;
};

}  // namespace parley::roster

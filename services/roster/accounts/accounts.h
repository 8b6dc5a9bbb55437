#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/roster/accounts/account_store.h"
#include "services/roster/accounts/key_pool.h"

namespace parley::roster {

struct AccountOptions {
  std::set<std::string> domains;  // those that this cluster serves
  std::uint32_t iterations = 4096;
  std::size_t max_password_bytes = 1024;
  std::uint32_t max_import = 1000;  // accounts in one message
  std::uint32_t max_page = 1000;
};

// What parley.accounts.v1 promises: checks addresses and passwords, makes keys, hides who exists. Loop's thread only;
// replies may come at once.
class Accounts {
 public:
  template <class T>
  using Reply = std::function<void(T)>;

  Accounts(AccountStore& store, KeyPool& keys, AccountOptions options);

  // The cluster's secret, from the database; until then credentials are refused with PROBLEM_STORE.
  void SetSecret(std::string secret) { secret_ = std::move(secret); }
  bool gives_credentials() const { return !secret_.empty(); }
  // What unknown users are to look like.
  void SetSurvey(IterationSurvey survey) { survey_ = std::move(survey); }

  void GetCredential(const accounts::v1::GetCredentialRequest& request,
                     Reply<accounts::v1::GetCredentialResponse> reply);
  void Create(const accounts::v1::CreateRequest& request, Reply<accounts::v1::CreateResponse> reply);
  void SetPassword(const accounts::v1::SetPasswordRequest& request, Reply<accounts::v1::SetPasswordResponse> reply);
  void Delete(const accounts::v1::DeleteRequest& request, Reply<accounts::v1::DeleteResponse> reply);
  void Exists(const accounts::v1::ExistsRequest& request, Reply<accounts::v1::ExistsResponse> reply);
  void List(const accounts::v1::ListRequest& request, Reply<accounts::v1::ListResponse> reply);
  void Count(const accounts::v1::CountRequest& request, Reply<accounts::v1::CountResponse> reply);
  // One message of an import: the counts and failures of these accounts alone.
  void Import(const accounts::v1::ImportRequest& request, Reply<accounts::v1::ImportProgress> reply);

 private:
  struct ImportBatch;
  // The prepared JID, or why it is none of ours.
  Result<std::string, AccountProblem> Address(const std::string& jid) const;
  ScramKeys Believable(const std::string& jid) const;
  std::optional<std::string> Password(const std::string& password) const;
  void Store(const std::string& jid, std::string password, Reply<accounts::v1::CreateResponse> reply);
  void DeriveNew(std::shared_ptr<ImportBatch> batch);
  void CreateDerived(std::shared_ptr<ImportBatch> batch);

  AccountStore& store_;
  KeyPool& keys_;
  const AccountOptions options_;
  std::string secret_;
  IterationSurvey survey_;
};

}  // namespace parley::roster

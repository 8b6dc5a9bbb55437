#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libs/base/result.h"
#include "libs/xmpp/scram.h"
#include "parley/accounts/v1/accounts.pb.h"

namespace parley::roster {

// In words of the protocol: a service of its own package, hence not parley::roster::v1.
using AccountProblem = accounts::v1::Problem;
using ScramKeys = std::vector<xmpp::scram::Keys>;

struct NewAccount {
  std::string jid;
  ScramKeys keys;
};

// By domain: how many of its accounts' passwords have how many iterations.
using IterationCounts = std::map<std::uint32_t, std::uint64_t>;
using IterationSurvey = std::map<std::string, IterationCounts, std::less<>>;

struct AccountPage {
  std::vector<accounts::v1::AccountRow> rows;
  bool more = false;
};

// Accounts and the keys that stand for their passwords. JIDs are prepared and bare. Replies come on the loop's thread.
class AccountStore {
 public:
  template <class T>
  using Reply = std::function<void(Result<T, AccountProblem>)>;

  virtual ~AccountStore() = default;
  // PROBLEM_NO_ACCOUNT if there is none.
  virtual void Keys(const std::string& jid, Reply<ScramKeys> reply) = 0;
  // In one transaction; for each, in order, whether it is new. The first of two with the same JID wins.
  virtual void Create(std::vector<NewAccount> accounts, Reply<std::vector<bool>> reply) = 0;
  virtual void SetKeys(const std::string& jid, ScramKeys keys, Reply<Ok> reply) = 0;
  // With all that it owned.
  virtual void Delete(const std::string& jid, Reply<Ok> reply) = 0;
  // For each, in order.
  virtual void Exist(std::vector<std::string> jids, Reply<std::vector<bool>> reply) = 0;
  // By domain, then localpart. `domain` empty: all; `after` empty: from the start.
  virtual void List(const std::string& domain, const std::string& after, std::uint32_t limit,
                    Reply<AccountPage> reply) = 0;
  // `domain` empty: of all.
  virtual void Count(const std::string& domain, Reply<std::uint64_t> reply) = 0;
  // Of so many accounts of each domain.
  virtual void Survey(std::uint32_t accounts, Reply<IterationSurvey> reply) = 0;
};

}  // namespace parley::roster

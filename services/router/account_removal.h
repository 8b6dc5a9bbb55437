#pragma once

#include "libs/base/result.h"
#include "libs/base/task.h"
#include "libs/rpc/accounts_client.h"
#include "services/router/account.h"
#include "services/router/fanout.h"
#include "services/router/roster_client.h"
#include "services/router/session_store.h"
#include "services/router/subscriptions.h"

namespace parley::router {

// An account goes: its contacts' subscriptions end, then the roster service deletes it with all it kept. Its sessions
// are the caller's to end. Can be repeated.
class AccountRemoval {
 public:
  struct Parts {
    RosterClient& rosters;
    SessionStore& store;
    Subscriptions& subscriptions;
    Fanout& fanout;
    rpc::AccountsClient& credentials;
  };
  explicit AccountRemoval(const Parts& parts) : parts_(parts) {}

  // An Error: something could not be reached; nothing is deleted.
  Task<Result<rpc::AccountProblem>> Remove(Account& account, Receipt receipt);

 private:
  void TakeLeave(Account& account, const roster::v1::Item& item, const Receipt& receipt);

  Parts parts_;
};

}  // namespace parley::router

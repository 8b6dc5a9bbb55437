#pragma once

#include <string>

#include "libs/base/task.h"
#include "libs/rpc/link.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/account_table.h"
#include "services/router/edges.h"
#include "services/router/metrics.h"
#include "services/router/orphans.h"
#include "services/router/presence.h"
#include "services/router/session_store.h"
#include "services/router/sessions.h"

namespace parley::router {

// Stream management (XEP-0198), the router's part: a session gets a queue in Redis, and is claimed for another stream.
// All run in the account's turn.
class Resumption {
 public:
  using Respond = rpc::LinkHandler::Respond;
  struct Parts {
    AccountTable& accounts;
    SessionStore& store;
    Edges& edges;
    Sessions& sessions;
    Orphans& orphans;
    Presence& presence;
    Metrics& metrics;
  };
  explicit Resumption(const Parts& parts) : parts_(parts) {}

  Task<void> Enable(Account& account, session::v1::Enable ask, Respond respond);
  // Answers at once, or in a later turn, when the edge that has the session has handed it over: it may wait for what
  // the session's own account has to take from it.
  Task<void> Resume(Account& account, session::v1::Resume ask, Respond respond);
  // The account's sessions cannot be read.
  void Refuse(const session::v1::Resume& ask, const Respond& respond);

 private:
  // One ask.
  struct Claim {
    session::v1::Resume ask;
    Respond respond;
    Record owned;        // the session as it was before
    std::string handed;  // the name of the queue whose owner was asked to let go of it, and what came of that
    Edges::HandOver outcome = Edges::HandOver::kGone;
    int questions = 0;   // to owners
    bool stays = false;  // where it is, as we cannot give it away without Redis
  };
  // Whether the session has a queue.
  Task<bool> IsManaged(const Account& account, Record record);
  Task<void> Try(Account& account, Claim claim);
  enum class Step { kDone, kAgain, kFailed };
  Task<Step> TryOnce(Account& account, Claim& claim);
  void AskOwner(const Account& account, const Record& record, Claim claim);
  void OnHandedOver(const std::string& bare, const std::string& queue, Claim claim, Edges::HandOver outcome);
  Task<Result<SessionStore::Write>> Write(Account& account, const session::v1::Resume& ask);
  // It was not written: the index has it no more.
  void Unindex(Account& account, const Claim& claim);
  void Succeed(Account& account, const Claim& claim);
  // Something may be stored that the session was to have before it was claimed.
  static bool LacksStored(Account& account, const Claim& claim);
  void Later(const Claim& claim);
  void OrphanLater(const std::string& bare, const Claim& claim);
  Task<void> Orphan(Account& account, Claim claim);
  static bool Vanished(Account& account, const std::string& session);
  Task<void> NotFound(Account& account, Claim claim);

  Parts parts_;
};

}  // namespace parley::router

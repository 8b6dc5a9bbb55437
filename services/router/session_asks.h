#pragma once

#include <string>

#include "libs/rpc/link.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/account_table.h"
#include "services/router/presence.h"
#include "services/router/resumption.h"
#include "services/router/sessions.h"

namespace parley::router {

// What edges (and operators) ask the home router of an account: proto/parley/session/v1.
class SessionAsks {
 public:
  using Respond = rpc::LinkHandler::Respond;
  SessionAsks(AccountTable& accounts, Sessions& sessions, Presence& presence, Resumption& resumption)
      : accounts_(accounts), sessions_(sessions), presence_(presence), resumption_(resumption) {}

  void Answer(const std::string& body, Respond respond);

 private:
  Task<void> Bind(Account& account, session::v1::Bind ask, Respond respond);
  Task<void> Restore(Account& account, session::v1::Record record, Respond respond);
  Task<void> Kick(Account& account, session::v1::Kick ask, Respond respond);
  void Post(const std::string& account, std::function<Task<void>(Account&)> run, std::function<void()> failed);

  AccountTable& accounts_;
  Sessions& sessions_;
  Presence& presence_;
  Resumption& resumption_;
};

}  // namespace parley::router

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "libs/rpc/link.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/account_table.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/presence.h"
#include "services/router/redis_watch.h"
#include "services/router/resumption.h"
#include "services/router/sessions.h"

namespace parley::router {

// What edges (and operators) ask the home router of an account: proto/parley/session/v1.
class SessionAsks {
 public:
  using Respond = rpc::LinkHandler::Respond;
  struct Parts {
    Tasks& tasks;
    AccountTable& accounts;
    Sessions& sessions;
    Presence& presence;
    Resumption& resumption;
    Metrics& metrics;
    RedisWatch& redis;
  };
  SessionAsks(const Parts& parts, const Options& options) : parts_(parts), options_(options) {}

  void Answer(const std::string& body, Respond answer);
  // Who has asked until now asks another router.
  void Abandon() { ++abandoned_; }

 private:
  using Clock = std::chrono::steady_clock;
  // How long a bind waits for the end of the resource's last session, and how long until it looks again.
  struct Patience {
    Clock::time_point deadline;
    std::chrono::milliseconds delay;
  };
  Task<void> Bind(Account& account, session::v1::Bind ask, Patience patience, Respond respond);
  Task<void> BindAgain(session::v1::Bind ask, Patience patience, Respond respond);
  Task<void> Restore(Account& account, session::v1::Record record, Respond respond);
  Task<void> Kick(Account& account, session::v1::Kick ask, Respond respond);
  std::function<bool()> UntilAbandoned() const;
  using Load = std::function<Task<Result<SessionStore::Loaded>>()>;  // see AccountTable::Job
  void PostBind(session::v1::Bind ask, Patience patience, Respond respond, Load load);
  void PostEnable(session::v1::Enable ask, Respond respond);
  // Failed if Redis cannot be reached, or nobody waits for it any more.
  void Post(const std::string& account, std::function<Task<void>(Account&)> run, std::function<void()> failed);
  void Post(const std::string& account, AccountTable::Job job);

  Parts parts_;
  Options options_;
  std::uint64_t abandoned_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace parley::router

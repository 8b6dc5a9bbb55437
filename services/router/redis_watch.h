#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "libs/base/loop.h"
#include "libs/base/task.h"
#include "libs/base/waiters.h"
#include "libs/rpc/link.h"
#include "libs/storage/redis.h"
#include "parley/session/v1/session.pb.h"
#include "services/router/metrics.h"
#include "services/router/options.h"
#include "services/router/peers.h"
#include "services/router/return_delay.h"

namespace parley::router {

// Whether Redis answers us. If it does not, but has answered another router all that time (or for `redis_return`), we
// are the ones who are cut off, and leave the ring; if nobody has it, nobody leaves. When it answers us again for
// `redis_return`, we come back; if we leave again and again, only after longer (ReturnDelay).
//
// Two routers never leave because of each other: who asks believes only what Redis has answered the other since it was
// asked, at most `redis_patience` ago, and the other needs that long without an answer before it asks in turn. It is
// told then that we have left. Should all have left even so, the ring takes them as if they had not (rpc::Ring).
class RedisWatch {
 public:
  // What it means to leave, and to come back.
  struct Handlers {
    std::function<void()> leave;
    std::function<void()> come_back;
  };
  RedisWatch(Loop& loop, storage::Redis& redis, Peers& peers, const Options& options, Metrics& metrics,
             Handlers handlers);
  ~RedisWatch();

  // We have left the ring.
  bool away() const { return away_; }
  // The connection is lost, and it is not clear yet whether we leave: what would be done without Redis waits for that.
  bool undecided() const { return !redis_.up() && !away_ && !stopping_ && rounds_ < kRounds; }
  // Returns when that is clear.
  Task<void> Decide() const;
  // Another router's question (session.v1.AskRedis).
  void Answer(rpc::LinkHandler::Respond respond);
  // We stop: nobody is to count on us, and we stay as we are.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kRounds = 2;  // one may be late by chance
  void Look();
  void Ping();
  void OnAnswered();
  bool without() const;
  void AskOthers();
  void OnSeen(Clock::time_point asked, const Result<std::string>& answer);
  void EndRounds(int count);
  void Leave();
  void ComeBack();
  void ShowDelay();

  storage::Redis& redis_;
  Peers& peers_;
  const std::chrono::milliseconds patience_;
  ReturnDelay delay_;
  Metrics& metrics_;
  Handlers handlers_;
  mutable Waiters waiters_;

  bool away_ = false;
  bool stopping_ = false;
  bool pinging_ = false;
  bool answered_ = false;           // since the last look
  int silent_ = 0;                  // looks since it has
  Clock::time_point last_answer_;   // or our start
  Clock::time_point steady_since_;  // it has answered each look since
  Clock::time_point well_since_;    // it was never without answers for `patience_` since
  std::size_t asking_ = 0;
  int rounds_ = 0;  // of questions that ended without any router that has it, since Redis is silent
  Loop::Timer timer_;
  std::shared_ptr<RedisWatch*> alive_ = std::make_shared<RedisWatch*>(this);
};

}  // namespace parley::router

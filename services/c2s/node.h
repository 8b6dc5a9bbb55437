#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/coarse_clock.h"
#include "libs/storage/lease.h"
#include "services/c2s/metrics.h"

namespace parley::c2s {

class Routers;
class Session;
class SessionTable;

// This edge as the routers know it: its lease in Redis, and the way back after the lease or Redis' data was lost, when
// every session is put back under the new epoch, a bounded number at a time.
class Node {
 public:
  struct Options {
    std::string instance;
    std::string process;  // rpc::Self::epoch
    storage::LeaseOptions lease;
    std::size_t max_restoring = 64;
    std::chrono::milliseconds restore_timeout{10000};
    std::chrono::milliseconds silence{3000};  // in which a link may have broken; at least kShortestSilence
  };
  static constexpr std::chrono::milliseconds kShortestSilence{500};
  Node(Loop& loop, storage::Redis& redis, const Options& options, SessionTable& sessions, Routers& routers,
       Metrics& metrics);

  const std::string& instance() const { return options_.instance; }
  const std::string& epoch() const { return lease_.epoch(); }
  bool held() const { return lease_.held(); }
  const std::string& lease_failure() const { return lease_.failure(); }
  // Redis is away, or refuses our lease: no session can be put back before that is over.
  bool without_redis() const { return !lease_failure().empty(); }
  // The queues of sessions are tried again when it takes the lease.
  void AwaitRedis() { awaiting_redis_ = true; }
  // Whose the sessions are is in doubt from when that may have changed until each is put back: `generation` is raised,
  // and theirs are behind. If it may have changed unnoticed, by a stop (SIGSTOP) for as long as breaks a link or
  // because no router was linked, they may not act meanwhile (`out`); a lease that lapsed for want of Redis alone does
  // not stop them.
  bool stopped() const { return CoarseNow() + kCoarseTick - beat_ > options_.silence; }
  bool out() const { return out_ || stopped(); }
  void OnRouters(bool available);
  // Raised each time that the lease was lost and taken again, or that others may have had its sessions.
  std::uint32_t generation() const { return generation_; }
  // The routers do not know it, although it lives.
  void PutBack(const std::shared_ptr<Session>& session);
  // A bind was answered. If the epoch or the generation changed meanwhile, the session is asked for again.
  void Bound(const std::shared_ptr<Session>& session, const std::string& epoch);
  void Release(std::function<void()> done) { lease_.Release(std::move(done)); }

 private:
  void Beat();
  void Doubt(std::string_view reason);
  void PutBackAll();
  void OnLease(const std::string& epoch);
  void Pump();
  void PumpLater();
  void Restore(const std::shared_ptr<Session>& session);
  void OnAnswer(const std::weak_ptr<Session>& asked, std::uint32_t generation, const Result<std::string>& body);

  Loop& loop_;
  const Options options_;
  SessionTable& sessions_;
  Routers& routers_;
  Metrics& metrics_;
  std::deque<std::weak_ptr<Session>> waiting_;
  std::size_t asking_ = 0;
  bool had_lease_ = false;
  bool out_ = false;
  bool awaiting_redis_ = false;
  std::chrono::steady_clock::time_point beat_ = std::chrono::steady_clock::now();
  Loop::Timer beating_;
  std::uint32_t generation_ = 0;
  Loop::Timer retry_;
  storage::NodeLease lease_;
};

}  // namespace parley::c2s

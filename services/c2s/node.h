#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

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
    std::chrono::milliseconds silence{2500};  // that breaks a link
  };
  Node(Loop& loop, storage::Redis& redis, const Options& options, SessionTable& sessions, Routers& routers,
       Metrics& metrics);

  const std::string& instance() const { return options_.instance; }
  const std::string& epoch() const { return lease_.epoch(); }
  bool held() const { return lease_.held(); }
  // Not heard from for so long that no link to routers can have lasted (SIGSTOP).
  bool stopped() const { return std::chrono::steady_clock::now() - beat_ > options_.silence; }
  // It was stopped, or cut off from all routers: others may have its sessions until these are put back.
  bool out() const { return out_ || stopped(); }
  void OnRouters(bool available);
  // Raised each time that the lease was lost and taken again, or that others may have had its sessions.
  std::uint32_t generation() const { return generation_; }
  // The routers do not know it, although it lives.
  void PutBack(const std::shared_ptr<Session>& session);
  // A bind was answered. If the epoch changed meanwhile, the session is under one that is gone.
  void Bound(const std::shared_ptr<Session>& session, const std::string& epoch);
  void Release(std::function<void()> done) { lease_.Release(std::move(done)); }

 private:
  void Beat();
  void Doubt(std::string_view reason);
  void PutBackAll();
  void OnLease(const std::string& epoch);
  void Pump();
  void Restore(const std::shared_ptr<Session>& session);
  void OnAnswer(const std::weak_ptr<Session>& asked, const Result<std::string>& body);

  Loop& loop_;
  const Options options_;
  SessionTable& sessions_;
  Routers& routers_;
  Metrics& metrics_;
  std::deque<std::weak_ptr<Session>> waiting_;
  std::size_t asking_ = 0;
  bool had_lease_ = false;
  bool out_ = false;
  std::chrono::steady_clock::time_point beat_ = std::chrono::steady_clock::now();
  Loop::Timer beating_;
  std::uint32_t generation_ = 0;
  Loop::Timer retry_;
  storage::NodeLease lease_;
};

}  // namespace parley::c2s

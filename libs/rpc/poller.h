#pragma once

#include <grpc/grpc.h>
#include <grpcpp/completion_queue.h>

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libs/base/loop.h"

namespace parley::rpc {

// What a completion queue gives back: one operation of a call has ended. On the loop's thread.
class Tag {
 public:
  virtual void Complete(bool ok) = 0;

 protected:
  ~Tag() = default;
};

// A tag that calls a member function.
template <class Owner>
class Operation final : public Tag {
 public:
  using Method = void (Owner::*)(bool ok);
  Operation(Owner* owner, Method method) : owner_(owner), method_(method) {}
  void Complete(bool ok) override { (owner_->*method_)(ok); }

 private:
  Owner* owner_;
  Method method_;
};

// One gRPC call in whatever direction. Lives until all of its operations have completed.
class Call {
 public:
  virtual ~Call() = default;
  virtual void Cancel() = 0;
};

// The thread that waits at a completion queue. What it finds it handles itself if the loop has nothing else to do
// (Loop::RunHere), and otherwise leaves to the loop, in one task for all that has gathered. All links of a loop share
// one poller: in gRPC's epoll engine every thread that polls takes events of all descriptors, and handing them to the
// right thread costs a wake-up.
class Poller {
 public:
  // The loop's poller: the server's, if it has one, or one that is made now.
  static std::shared_ptr<Poller> Of(Loop& loop);
  // For a server's queue. From now on it is the loop's.
  static std::shared_ptr<Poller> Make(Loop& loop, std::unique_ptr<grpc::CompletionQueue> queue);
  // Cancels the calls that are left, and waits for their operations. A server must have been shut down before.
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Completes `tag` at the end of this turn, after what other links write then.
  void AfterWrites(Tag* tag);
  grpc::CompletionQueue& queue() { return *queue_; }
  // Starts one operation. If it completes at once, as most writes do, that is handled soon, without waking the poller's
  // thread and through it the loop: at the end of this turn, or (what may go on and on) in the next. Loop's thread
  // only.
  enum class Soon { kThisTurn, kNextTurn };
  template <class Operate>
  void Start(Soon soon, Operate operate) {
    grpc_completion_queue_thread_local_cache_init(queue_->cq());
    operate();
    TakeCompleted(soon);
  }
  template <class Kind>
  Kind& Adopt(std::unique_ptr<Kind> call) {
    Kind& kept = *call;
    calls_.emplace(&kept, std::move(call));
    return kept;
  }
  // All of its operations have completed.
  void Release(Call* call) { calls_.erase(call); }

 private:
  struct Event {
    Tag* tag;
    bool ok;
  };
  // Shared with what is posted to the loop.
  struct Arrivals {
    std::mutex mutex;
    std::vector<Event> events;
    // Of operations that completed at once; indexed by Soon.
    std::array<std::vector<Event>, 2> completed;
    std::vector<Event> after_writes;
    // Loop's thread only.
    bool handling = false;
    bool closed = false;
  };
  Poller(Loop& loop, std::unique_ptr<grpc::CompletionQueue> queue);
  void Run();
  void Close();
  void Dispose();
  void TakeCompleted(Soon soon);
  void Deliver(std::vector<Event>& events);
  static void HandleArrived(const std::shared_ptr<Arrivals>& arrivals);
  static void HandleCompleted(const std::shared_ptr<Arrivals>& arrivals, Soon soon);
  static void HandleAfterWrites(const std::shared_ptr<Arrivals>& arrivals);
  static void Handle(Arrivals& arrivals, const std::vector<Event>& events);

  Loop& loop_;
  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  std::unordered_map<Call*, std::unique_ptr<Call>> calls_;
  bool shut_down_ = false;
  bool detached_ = false;  // the thread owns the poller
  std::thread thread_;
};

}  // namespace parley::rpc

#include "libs/rpc/poller.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/impl/codegen/completion_queue_tag.h>

#include <map>

namespace parley::rpc {
namespace {

constexpr std::size_t kMaxEvents = 256;

// Which poller serves which loop: so that a Ring and a Server of one process find the same one without being told.
struct Registry {
  std::mutex mutex;
  std::map<Loop*, std::weak_ptr<Poller>> pollers;
};

Registry& TheRegistry() {
  static Registry registry;
  return registry;
}

}  // namespace

std::shared_ptr<Poller> Poller::Of(Loop& loop) {
  {
    auto& registry = TheRegistry();
    std::lock_guard lock(registry.mutex);
    const auto known = registry.pollers.find(&loop);
    if (known != registry.pollers.end()) {
      if (auto poller = known->second.lock()) return poller;
    }
  }
  return Make(loop, std::make_unique<grpc::CompletionQueue>());
}

std::shared_ptr<Poller> Poller::Make(Loop& loop, std::unique_ptr<grpc::CompletionQueue> queue) {
  // The last user may go while an event is handled, and the poller has the call that the event is about.
  const auto dispose = [](Poller* poller) {
    if (!poller->arrivals_->handling) {
      poller->Dispose();
    } else {
      poller->arrivals_->closed = true;
      poller->loop_.Post([poller] { poller->Dispose(); });
    }
  };
  std::shared_ptr<Poller> poller(new Poller(loop, std::move(queue)), dispose);
  auto& registry = TheRegistry();
  std::lock_guard lock(registry.mutex);
  std::erase_if(registry.pollers, [](const auto& entry) { return entry.second.expired(); });
  registry.pollers[&loop] = poller;
  return poller;
}

Poller::Poller(Loop& loop, std::unique_ptr<grpc::CompletionQueue> queue)
    : loop_(loop), queue_(std::move(queue)), thread_([this] { Run(); }) {
  // Debian builds Abseil with its search for deadlocks, which follows every lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

Poller::~Poller() {
  Close();
  if (thread_.joinable()) thread_.join();
}

void Poller::Close() {
  if (std::exchange(shut_down_, true)) return;
  arrivals_->closed = true;
  for (auto& [call, owned] : calls_) call->Cancel();
  queue_->Shutdown();
}

void Poller::Dispose() {
  if (thread_.get_id() != std::this_thread::get_id()) {
    delete this;
    return;
  }
  // The poller's own thread has the turn: it deletes the poller when it has taken the last event.
  Close();
  detached_ = true;
  thread_.detach();
}

void Poller::Run() {
  std::vector<Event> events;
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    events.push_back({static_cast<Tag*>(tag), ok});
    while (events.size() < kMaxEvents &&
           queue_->AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) == grpc::CompletionQueue::GOT_EVENT) {
      events.push_back({static_cast<Tag*>(tag), ok});
    }
    if (!detached_) Deliver(events);
    events.clear();
  }
  if (detached_) delete this;
}

void Poller::Deliver(std::vector<Event>& events) {
  bool first = false;
  {
    std::lock_guard lock(arrivals_->mutex);
    first = arrivals_->events.empty();
    arrivals_->events.insert(arrivals_->events.end(), events.begin(), events.end());
  }
  if (first) loop_.RunHere([arrivals = arrivals_] { HandleArrived(arrivals); });
}

void Poller::TakeCompleted(Soon soon) {
  void* core_tag = nullptr;
  int core_ok = 0;
  if (grpc_completion_queue_thread_local_cache_flush(queue_->cq(), &core_tag, &core_ok) == 0) return;
  void* tag = nullptr;
  bool ok = core_ok == 1;
  if (!static_cast<grpc::internal::CompletionQueueTag*>(core_tag)->FinalizeResult(&tag, &ok)) return;
  auto& completed = arrivals_->completed[static_cast<std::size_t>(soon)];
  completed.push_back({static_cast<Tag*>(tag), ok});
  if (completed.size() > 1) return;
  auto handle = [arrivals = arrivals_, soon] { HandleCompleted(arrivals, soon); };
  soon == Soon::kThisTurn ? loop_.AtEndOfTurn(handle) : loop_.Post(handle);
}

void Poller::AfterWrites(Tag* tag) {
  arrivals_->after_writes.push_back({tag, true});
  if (arrivals_->after_writes.size() > 1) return;
  // Twice: behind all that will be asked for in this turn.
  loop_.AtEndOfTurn(
      [&loop = loop_, arrivals = arrivals_] { loop.AtEndOfTurn([arrivals] { HandleAfterWrites(arrivals); }); });
}

void Poller::HandleAfterWrites(const std::shared_ptr<Arrivals>& arrivals) {
  const auto events = std::exchange(arrivals->after_writes, {});
  Handle(*arrivals, events);
}

void Poller::HandleArrived(const std::shared_ptr<Arrivals>& arrivals) {
  std::vector<Event> events;
  {
    std::lock_guard lock(arrivals->mutex);
    events.swap(arrivals->events);
  }
  Handle(*arrivals, events);
}

void Poller::HandleCompleted(const std::shared_ptr<Arrivals>& arrivals, Soon soon) {
  const auto events = std::exchange(arrivals->completed[static_cast<std::size_t>(soon)], {});
  Handle(*arrivals, events);
}

void Poller::Handle(Arrivals& arrivals, const std::vector<Event>& events) {
  arrivals.handling = true;
  for (const Event& event : events) {
    if (arrivals.closed) break;
    event.tag->Complete(event.ok);
  }
  arrivals.handling = false;
}

}  // namespace parley::rpc

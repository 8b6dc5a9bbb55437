#include "libs/base/loop.h"

#include <atomic>
#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace parley {
namespace {

namespace asio = boost::asio;

// Handlers run before the gathered writes leave: bounds both latency and batch size under load.
constexpr int kMaxHandlersPerTurn = 512;

// Asio's reactor for a loop that waits by itself: Asio goes from waiting to handling without asking anybody, and a
// loop must have the turn for the one and not for the other.
class Reactor final : public asio::detail::epoll_reactor {
 public:
  using Operations = asio::detail::op_queue<asio::detail::scheduler_operation>;
  static constexpr long kForever = -1;

  explicit Reactor(asio::execution_context& context) : epoll_reactor(context) {}
  // By Asio, between handlers.
  void run(long, Operations&) override {}
  // What is ready, after at most so many microseconds. The loop's own thread only.
  void Wait(long microseconds, Operations& ready) { epoll_reactor::run(microseconds, ready); }
};

}  // namespace

// Who takes the turn handles what was posted and what is ready, until there is nothing left. The loop's own thread waits
// for descriptors and timers and takes the turn when there is something; another thread may take it meanwhile.
//
// No task is forgotten: who posts sets `pending` and then looks whether somebody has the turn, who gives the turn up
// looks at `pending` afterwards; one of them sees the other.
struct Loop::State {
  asio::io_context io{1};
  Reactor& reactor;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::vector<Task> end_of_turn;
  Reactor::Operations ready;          // the own thread's
  std::atomic<std::thread::id> own;   // of Run()
  std::atomic<std::thread::id> thread;  // has the turn
  std::atomic<int> taken = 0;           // the turn is
  std::atomic<bool> pending = false;
  std::atomic<bool> stopped = false;
  bool running = false;  // for whoever has the turn

  State() : reactor(*new Reactor(io)) { asio::add_service<asio::detail::epoll_reactor>(io, &reactor); }

  void Take() {
    while (taken.exchange(1) != 0) taken.wait(1);
    Began();
  }
  bool TryTake() {
    if (taken.exchange(1) != 0) return false;
    Began();
    return true;
  }
  void Began() {
    pending = false;
    thread = std::this_thread::get_id();
  }
  void Release() {
    thread = std::thread::id();
    taken = 0;
    taken.notify_one();
  }
  bool Look(long microseconds) {
    reactor.Wait(microseconds, ready);
    return !ready.empty();
  }
  // What Look() found, to be handled like what is posted. Needs the turn.
  void Enqueue() { asio::use_service<asio::detail::scheduler>(io).post_deferred_completions(ready); }

  void HandleAll();
  bool Handle();
  int Drain(int most);
};

void Loop::State::HandleAll() {
  while (Handle() && !stopped) {
  }
}

// One round, and what was gathered in it. False: there was nothing to do.
bool Loop::State::Handle() {
  int left = kMaxHandlersPerTurn;
  const bool may_look = own.load() == std::this_thread::get_id();
  for (int handled = Drain(left); handled > 0 && left > 0; handled = Drain(left)) {
    left -= handled;
    if (may_look && Look(0)) Enqueue();
  }
  const bool gathered = !end_of_turn.empty();
  // What a task adds belongs to the same turn: gathering must not wait for the next event.
  while (!end_of_turn.empty()) {
    auto tasks = std::exchange(end_of_turn, {});
    for (auto& task : tasks) task();
  }
  return gathered || left < kMaxHandlersPerTurn;
}

int Loop::State::Drain(int most) {
  int handled = 0;
  while (handled < most && io.poll_one() > 0) ++handled;
  return handled;
}

// Shared with the waiting handler, which may already be queued when the Timer goes.
struct Loop::Timer::State {
  struct Core {
    Core(asio::io_context& io, Duration period_, Task task_)
        : timer(io), period(period_), task(std::move(task_)) {}
    asio::steady_timer timer;
    Duration period;  // zero: once
    Task task;
    bool armed = true;
  };
  std::shared_ptr<Core> core;

  static void Wait(std::shared_ptr<Core> core) {
    auto& timer = core->timer;
    timer.async_wait([core = std::move(core)](const boost::system::error_code& error) {
      if (error || !core->armed) return;
      if (core->period == Duration::zero()) {
        core->armed = false;
        Task task = std::move(core->task);
        task();
        return;
      }
      core->task();
      if (!core->armed) return;
      core->timer.expires_after(core->period);
      Wait(core);
    });
  }
};

Loop::Loop() : state_(std::make_unique<State>()) {}
Loop::~Loop() = default;

void Loop::Run() {
  State& state = *state_;
  state.own = std::this_thread::get_id();
  state.io.restart();
  state.stopped = false;
  state.Take();
  state.running = true;
  for (;;) {
    state.HandleAll();
    if (state.stopped) break;
    state.Release();
    if (!state.pending) state.Look(Reactor::kForever);
    state.Take();
    state.Enqueue();
  }
  state.running = false;
  state.Release();
}

void Loop::Stop() {
  state_->stopped = true;
  state_->io.stop();
  state_->reactor.interrupt();
}

void Loop::Post(Task task) {
  asio::post(state_->io, std::move(task));
  if (on_thread() || state_->pending.exchange(true) || state_->taken != 0) return;
  state_->reactor.interrupt();
}

void Loop::RunHere(Task task) {
  State& state = *state_;
  asio::post(state.io, std::move(task));
  state.pending = true;
  while (state.pending && state.TryTake()) {
    if (state.running) state.HandleAll();
    state.Release();
  }
}

void Loop::AtEndOfTurn(Task task) {
  // Outside a turn (during construction, in a test) none may follow by itself: make one.
  if (!on_thread()) Post([] {});
  state_->end_of_turn.push_back(std::move(task));
}

Loop::Timer Loop::After(Duration delay, Task task) {
  auto core = std::make_shared<Timer::State::Core>(state_->io, Duration::zero(), std::move(task));
  core->timer.expires_after(delay);
  Timer::State::Wait(core);
  return Timer(std::make_unique<Timer::State>(Timer::State{std::move(core)}));
}

Loop::Timer Loop::Every(Duration period, Task task) {
  auto core = std::make_shared<Timer::State::Core>(state_->io, period, std::move(task));
  core->timer.expires_after(period);
  Timer::State::Wait(core);
  return Timer(std::make_unique<Timer::State>(Timer::State{std::move(core)}));
}

bool Loop::on_thread() const { return state_->thread.load() == std::this_thread::get_id(); }
asio::io_context& Loop::io() { return state_->io; }

Loop::Timer::Timer() = default;
Loop::Timer::Timer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Loop::Timer::Timer(Timer&&) noexcept = default;
Loop::Timer& Loop::Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    Cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}
Loop::Timer::~Timer() { Cancel(); }

void Loop::Timer::Cancel() {
  if (!state_) return;
  auto core = std::move(state_->core);
  state_.reset();
  core->armed = false;
  core->timer.cancel();
}

bool Loop::Timer::armed() const { return state_ && state_->core->armed; }

}  // namespace parley

#include "libs/base/loop.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace parley {
namespace {

// Handlers run before the gathered writes leave: bounds both latency and batch size under load.
constexpr int kMaxHandlersPerTurn = 512;

// A task or a call of an object.
struct Ending {
  Loop::Task task;
  std::weak_ptr<void> object;
  void (*call)(void*) = nullptr;

  void Run() const {
    if (call == nullptr) return task();
    if (const auto alive = object.lock()) call(alive.get());
  }
};

}  // namespace

struct Loop::State {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::vector<Ending> end_of_turn;
  std::vector<Ending> ending;  // those that run now; empty between turns, keeps its capacity
  std::atomic<std::thread::id> thread;

  bool on_thread() const { return thread.load() == std::this_thread::get_id(); }
  void AtEnd(Ending ending) {
    // Outside a turn (during construction, in a test) none may follow by itself: make one.
    if (!on_thread()) boost::asio::post(io, [] {});
    end_of_turn.push_back(std::move(ending));
  }
};

// Shared with the waiting handler, which may already be queued when the Timer goes.
struct Loop::Timer::State {
  struct Core {
    Core(boost::asio::io_context& io, Duration period_, Task task_)
        : timer(io), period(period_), task(std::move(task_)) {}
    boost::asio::steady_timer timer;
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
  state_->thread = std::this_thread::get_id();
  state_->io.restart();
  while (state_->io.run_one() > 0) {
    for (int handled = 1; handled < kMaxHandlersPerTurn && state_->io.poll_one() > 0; ++handled) {
    }
    // What a task adds belongs to the same turn: gathering must not wait for the next event.
    while (!state_->end_of_turn.empty()) {
      state_->ending.swap(state_->end_of_turn);
      for (const auto& ending : state_->ending) ending.Run();
      state_->ending.clear();
    }
  }
  state_->thread = std::thread::id();
}

void Loop::Stop() { state_->io.stop(); }

void Loop::Post(Task task) { boost::asio::post(state_->io, std::move(task)); }

void Loop::AtEndOfTurn(Task task) { state_->AtEnd({.task = std::move(task)}); }

void Loop::AtEndOfTurn(std::weak_ptr<void> object, void (*call)(void*)) {
  state_->AtEnd({.object = std::move(object), .call = call});
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

bool Loop::on_thread() const { return state_->on_thread(); }
boost::asio::io_context& Loop::io() { return state_->io; }

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

#include "libs/base/task.h"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "libs/base/log.h"
#include "libs/base/task_failure.h"

namespace parley {
namespace {

// What Asio calls when a task is over. It names no executor: of one that does, as bind_cancellation_slot's, Asio posts
// the cancellation to the loop, which may not turn again.
template <class Function>
struct Finished {
  using cancellation_slot_type = boost::asio::cancellation_slot;
  cancellation_slot_type get_cancellation_slot() const noexcept { return slot; }
  void operator()(std::exception_ptr escaped) { call(escaped); }

  cancellation_slot_type slot;
  Function call;
};

}  // namespace

struct Tasks::State {
  explicit State(Loop& loop_) : loop(loop_) {}
  Loop& loop;
  std::list<boost::asio::cancellation_signal> running;
};

Tasks::Tasks(Loop& loop) : state_(std::make_shared<State>(loop)) {}

Tasks::~Tasks() {
  auto running = std::move(state_->running);
  for (auto& signal : running) signal.emit(boost::asio::cancellation_type::terminal);
  // A signal must outlive what still refers to its slot: leave them with the state, which the completions share.
  state_->running.splice(state_->running.end(), running);
}

void Tasks::Spawn(std::string_view name, Task<void> task, std::function<void()> done) {
  auto at = state_->running.emplace(state_->running.end());
  auto finished = [state = state_, at, name = std::string(name), done = std::move(done)](std::exception_ptr escaped) {
    state->running.erase(at);
    if (escaped && !LogTaskFailure(name, escaped)) return;  // whoever would care is gone
    if (done) done();
  };
  boost::asio::co_spawn(state_->loop.io(), std::move(task),
                        Finished<decltype(finished)>{at->slot(), std::move(finished)});
}

bool LogTaskFailure(std::string_view name, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const boost::system::system_error& error) {
    if (error.code() == boost::asio::error::operation_aborted) return false;
    log::Error("task_failed", {{"task", name}, {"reason", error.what()}});
  } catch (const std::exception& error) {
    log::Error("task_failed", {{"task", name}, {"reason", error.what()}});
  }
  return true;
}

// By Await, as a timer of Asio's that has just run out when the task is cancelled would resume it all the same.
Task<void> SleepFor(Loop::Duration delay) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto timer = std::make_shared<boost::asio::steady_timer>(executor);
  timer->expires_after(delay);
  std::function<void(std::function<void(bool)>)> start = [timer](std::function<void(bool)> done) {
    timer->async_wait([timer, done = std::move(done)](const boost::system::error_code& error) {
      if (!error) done(true);
    });
  };
  co_await Await<bool>(start);
}

}  // namespace parley

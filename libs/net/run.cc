#include "libs/net/run.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <utility>

#include "libs/base/log.h"

namespace parley::net {
namespace {

class Signals {
 public:
  Signals(Loop& loop, std::function<void(std::function<void()>)> drain, Loop::Duration limit,
          std::function<void()> hangup)
      : loop_(loop),
        drain_(std::move(drain)),
        limit_(limit),
        hangup_(std::move(hangup)),
        signals_(loop.io(), SIGTERM, SIGINT, SIGHUP) {
    Wait();
  }

  int status() const { return status_; }

 private:
  void Wait() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      On(number);
      Wait();
    });
  }

  void On(int number) {
    if (number == SIGHUP) {
      if (hangup_) hangup_();
    } else if (!draining_) {
      StartDrain(number);
    } else {
      log::Warn("stop_forced", {{"signal", number}});
      status_ = 1;
      loop_.Stop();
    }
  }

  void StartDrain(int number) {
    draining_ = true;
    log::Info("drain_started", {{"signal", number}, {"limit_ms", Milliseconds(limit_)}});
    const auto start = std::chrono::steady_clock::now();
    deadline_ = loop_.After(limit_, [this] {
      log::Warn("drain_cut_off", {{"limit_ms", Milliseconds(limit_)}});
      loop_.Stop();
    });
    // Posted: what the last callbacks queued leaves in the same turn. May come from any thread, more than once.
    drain_([&loop = loop_, start] {
      loop.Post([&loop, start] {
        log::Info("drained", {{"ms", Milliseconds(std::chrono::steady_clock::now() - start)}});
        loop.AtEndOfTurn([&loop] { loop.Stop(); });
      });
    });
  }

  static std::int64_t Milliseconds(Loop::Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  }

  Loop& loop_;
  std::function<void(std::function<void()>)> drain_;
  Loop::Duration limit_;
  std::function<void()> hangup_;
  boost::asio::signal_set signals_;
  Loop::Timer deadline_;
  bool draining_ = false;
  int status_ = 0;
};

}  // namespace

int RunUntilSignal(Loop& loop, std::function<void(std::function<void()> done)> drain, Loop::Duration limit,
                   std::function<void()> hangup) {
  std::signal(SIGPIPE, SIG_IGN);
  const Signals signals(loop, std::move(drain), limit, std::move(hangup));
  loop.Run();
  return signals.status();
}

}  // namespace parley::net

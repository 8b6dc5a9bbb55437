#include "bench/generator/loop.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace parley::bench {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr int kEventsPerTurn = 256;

}  // namespace

Nanoseconds Now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<Nanoseconds>(time.tv_sec) * kSecond + static_cast<Nanoseconds>(time.tv_nsec);
}

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
  prctl(PR_SET_TIMERSLACK, 1);  // an open loop's schedule is kept to microseconds
}

Loop::~Loop() { close(epoll_); }

void Loop::Watch(int fd, Handler& handler, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) throw std::runtime_error("epoll_ctl failed");
}

void Loop::Change(int fd, Handler& handler, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &handler}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::At(Nanoseconds when, std::function<void()> action) {
  timers_.push({when, timers_made_++, std::move(action)});
}

void Loop::Run() {
  while (running_) {
    RunTimers();
    RunPosted();
    if (flush_) flush_();
    if (running_) Wait();
  }
}

void Loop::RunTimers() {
  while (!timers_.empty() && timers_.top().when <= Now()) {
    auto action = timers_.top().action;
    timers_.pop();
    action();
  }
}

void Loop::RunPosted() {
  while (!posted_.empty()) {
    for (auto& action : std::exchange(posted_, {})) action();
  }
}

void Loop::Wait() {
  epoll_event events[kEventsPerTurn];
  timespec timeout{.tv_sec = 1, .tv_nsec = 0};
  if (!posted_.empty()) {
    timeout.tv_sec = 0;
  } else if (!timers_.empty()) {
    const Nanoseconds now = Now();
    const Nanoseconds left = timers_.top().when > now ? timers_.top().when - now : 0;
    timeout = {static_cast<time_t>(left / kSecond), static_cast<long>(left % kSecond)};
  }
  const int count = epoll_pwait2(epoll_, events, kEventsPerTurn, &timeout, nullptr);
  if (count < 0 && errno != EINTR) throw std::runtime_error("epoll_pwait2 failed");
  for (int i = 0; i < count; ++i) static_cast<Handler*>(events[i].data.ptr)->OnEvents(events[i].events);
}

}  // namespace parley::bench

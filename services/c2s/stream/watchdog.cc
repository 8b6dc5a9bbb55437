#include "services/c2s/stream/watchdog.h"

#include <algorithm>

#include "services/c2s/stream/stream.h"

namespace parley::c2s {

Watchdog::Watchdog(Stream& stream, Wheel& wheel, const config::C2s& config)
    : stream_(stream),
      wheel_(wheel),
      config_(config),
      timer_(&Watchdog::Fire, this),
      since_(wheel.now()),
      heard_(wheel.now()) {
  wheel_.Arm(timer_, config_.unauthenticated_timeout);
}

void Watchdog::Established() {
  mode_ = Mode::kEstablished;
  Heard();
  wheel_.Arm(timer_, config_.idle_ping);
}

void Watchdog::Closing() {
  mode_ = Mode::kClosing;
  since_ = wheel_.now();
  wheel_.Arm(timer_, config_.close_timeout);
}

void Watchdog::Waiting(std::uint64_t sent) {
  if (waiting_ && sent == sent_) return;
  sent_ = sent;
  progress_ = wheel_.now();
  if (waiting_) return;
  waiting_ = true;
  if (mode_ == Mode::kEstablished) wheel_.Arm(timer_, std::min(config_.slow_reader_timeout, config_.idle_ping));
}

void Watchdog::Fire(void* self) { static_cast<Watchdog*>(self)->Look(); }

void Watchdog::Look() {
  next_ = 0;
  switch (mode_) {
    case Mode::kNegotiating:
      if (Passed(since_, config_.unauthenticated_timeout)) stream_.OnNegotiationTimeout();
      break;
    case Mode::kEstablished:
      Stuck() ? stream_.OnStuck() : LookAtSilence();
      break;
    case Mode::kClosing:
      if (Passed(since_, config_.close_timeout)) stream_.OnCloseTimeout();
      break;
  }
  if (next_ > 0 && !timer_.armed()) wheel_.Arm(timer_, wheel_.ToDuration(next_));
}

void Watchdog::LookAtSilence() {
  // Whoever is not listened to cannot be heard.
  if (stream_.paused()) Heard();
  if (!Passed(heard_, config_.idle_ping)) return;
  if (!pinged_) {
    pinged_ = true;
    stream_.OnSilence();
  }
  if (Passed(heard_, config_.idle_ping + config_.idle_timeout)) stream_.OnDead();
}

bool Watchdog::Stuck() {
  if (!waiting_) return false;
  const auto sent = stream_.bytes_sent();
  if (sent != sent_) {
    sent_ = sent;
    progress_ = wheel_.now();
  }
  return Passed(progress_, config_.slow_reader_timeout);
}

bool Watchdog::Passed(Wheel::Ticks since, Loop::Duration limit) {
  const auto passed = wheel_.now() - since;
  const auto needed = wheel_.ToTicks(limit);
  if (passed >= needed) return true;
  const auto rest = needed - passed;
  next_ = next_ == 0 ? rest : std::min(next_, rest);
  return false;
}

}  // namespace parley::c2s

#pragma once

#include <cstdint>

#include "libs/config/config.h"
#include "services/c2s/wheel.h"

namespace parley::c2s {

class Stream;

// Ends what takes too long: negotiation, silence (after a ping), a client that does not read, a closing handshake.
// One timer, set to whatever comes first; activity only writes down the time.
class Watchdog {
 public:
  Watchdog(Stream& stream, Wheel& wheel, const config::C2s& config);

  void Heard() {
    heard_ = wheel_.now();
    pinged_ = false;
  }
  // The client is logged in and bound: from now on only silence counts.
  void Established();
  void Closing();
  void Stop() { timer_.Cancel(); }
  // Bytes wait for the client to read, and `sent` have gone out so far.
  void Waiting(std::uint64_t sent);
  void Drained() { waiting_ = false; }

 private:
  enum class Mode : std::uint8_t { kNegotiating, kEstablished, kClosing };
  static void Fire(void* self);
  void Look();
  void LookAtSilence();
  bool Stuck();
  // True if `limit` has passed since `since`; else the rest counts for when to look again.
  bool Passed(Wheel::Ticks since, Loop::Duration limit);

  Stream& stream_;
  Wheel& wheel_;
  const config::C2s& config_;
  Wheel::Timer timer_;
  std::uint64_t sent_ = 0;
  Wheel::Ticks since_;  // of the mode
  Wheel::Ticks heard_;
  Wheel::Ticks next_ = 0;      // until the next look
  Wheel::Ticks progress_ = 0;  // when bytes last went out, while some wait
  Mode mode_ = Mode::kNegotiating;
  bool pinged_ = false;
  bool waiting_ = false;
};

}  // namespace parley::c2s

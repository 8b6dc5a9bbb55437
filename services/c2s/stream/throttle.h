#pragma once

#include <cstddef>

#include "libs/config/config.h"
#include "services/c2s/metrics.h"
#include "services/c2s/token_bucket.h"
#include "services/c2s/wheel.h"

namespace parley::c2s {

class Stream;

// Slows a client down to its rates by not reading for a while; nothing is refused.
class Throttle {
 public:
  Throttle(Stream& stream, Wheel& wheel, const config::C2s& config, Metrics& metrics);
  void OnBytes(std::size_t count);
  void OnStanza();

 private:
  void Wait(TokenBucket::Clock::duration delay, std::string_view limit);
  static void OnTimer(void* self) { static_cast<Throttle*>(self)->Resume(); }
  void Resume();

  Stream& stream_;
  Wheel& wheel_;
  const config::C2s& config_;
  Metrics& metrics_;
  TokenBucket bytes_;
  TokenBucket stanzas_;
  Wheel::Timer resuming_;
  TokenBucket::Clock::time_point paused_since_;
};

}  // namespace parley::c2s

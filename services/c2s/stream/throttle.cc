#include "services/c2s/stream/throttle.h"

#include "services/c2s/stream/stream.h"

namespace parley::c2s {

Throttle::Throttle(Stream& stream, Wheel& wheel, const config::C2s& config, Metrics& metrics)
    : stream_(stream), wheel_(wheel), config_(config), metrics_(metrics), resuming_(&Throttle::OnTimer, this) {}

void Throttle::OnBytes(std::size_t count) {
  if (config_.bytes_per_second == 0) return;
  const Rate rate{static_cast<double>(config_.bytes_per_second), static_cast<double>(config_.bytes_burst)};
  Wait(bytes_.Take(rate, static_cast<double>(count), TokenBucket::Clock::now()), "bytes_rate");
}

void Throttle::OnStanza() {
  if (config_.stanzas_per_second == 0) return;
  const Rate rate{static_cast<double>(config_.stanzas_per_second), static_cast<double>(config_.stanzas_burst)};
  Wait(stanzas_.Take(rate, 1, TokenBucket::Clock::now()), "stanza_rate");
}

void Throttle::Wait(TokenBucket::Clock::duration delay, std::string_view limit) {
  if (delay <= TokenBucket::Clock::duration::zero()) return;
  metrics_.limits.Add(limit);
  if (!resuming_.armed()) paused_since_ = TokenBucket::Clock::now();
  wheel_.Arm(resuming_, delay);
  stream_.Hold(Stream::Pause::kRate);
}

void Throttle::Resume() {
  const std::chrono::duration<double> time = TokenBucket::Clock::now() - paused_since_;
  metrics_.rate_paused.Increment(time.count());
  stream_.Release(Stream::Pause::kRate);
}

}  // namespace parley::c2s

#include "libs/rpc/link_meter.h"

#include <utility>

#include "libs/base/coarse_clock.h"

namespace parley::rpc {
namespace {

// Of the stanzas that nobody waits for, so few are timed that it costs nothing, and so many that it shows how they
// fare: one in so many, and one in such a time.
constexpr std::uint32_t kUntimed = 16;
constexpr std::chrono::seconds kTimedEvery{1};

double Seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

void Count(LinkMetrics::Direction& direction, const link::v1::Frame& frame, std::size_t bytes) {
  direction.frames.Increment();
  direction.bytes.Increment(static_cast<double>(bytes));
  if (!frame.envelopes().empty()) direction.envelopes.Increment(frame.envelopes_size());
  if (!frame.acks().empty()) direction.acks.Increment(frame.acks_size());
  if (!frame.refusals().empty()) direction.refusals.Increment(frame.refusals_size());
}

// Several links share a gauge: each moves it by its own change.
void Move(prometheus::Gauge& gauge, std::size_t& from, std::size_t to) {
  if (from != to) gauge.Increment(static_cast<double>(to) - static_cast<double>(from));
  from = to;
}

}  // namespace

void LinkMeter::Up() {
  if (!metrics_ || std::exchange(up_, true)) return;
  metrics_->links.Increment();
  metrics_->ups.Increment();
}

void LinkMeter::Down() {
  if (!metrics_ || !std::exchange(up_, false)) return;
  Outbox(0, 0, false);
  timed_ = {};
  metrics_->links.Decrement();
  metrics_->downs.Increment();
}

void LinkMeter::Violation() {
  if (metrics_) metrics_->violations.Increment();
}

void LinkMeter::Sent(const link::v1::Frame& frame) {
  if (!metrics_) return;
  Count(metrics_->sent, frame, frame.GetCachedSize());
  if (frame.envelopes().empty()) return;
  metrics_->batch.Observe(frame.envelopes_size());
  for (const auto& envelope : frame.envelopes()) {
    if (!envelope.unhurried()) return Time(envelope);
  }
}

bool LinkMeter::WantsToTime(link::v1::Kind kind) {
  if (!metrics_ || metrics_->Settling(kind) == nullptr || ++untimed_ < kUntimed) return false;
  if (CoarseNow() - last_timed_ < kTimedEvery) return false;
  last_timed_ = CoarseNow();
  untimed_ = 0;
  return true;
}

void LinkMeter::Time(const link::v1::Envelope& envelope) {
  auto* seconds = metrics_->Settling(envelope.kind());
  if (seconds == nullptr) return;
  for (Timed& place : timed_) {
    if (place.seq != 0) continue;
    place = {envelope.seq(), seconds, Clock::now()};
    return;
  }
}

void LinkMeter::Settled(std::uint64_t seq) {
  if (seq == 0) return;  // no envelope has it, whatever the peer says; free places do
  for (Timed& place : timed_) {
    if (place.seq != seq) continue;
    place.seconds->Observe(Seconds(Clock::now() - place.sent));
    place = {};
  }
}

void LinkMeter::Received(const link::v1::Frame& frame, std::size_t bytes) {
  if (metrics_) Count(metrics_->received, frame, bytes);
}

void LinkMeter::Outbox(std::size_t queued, std::size_t unacknowledged, bool stalled) {
  if (!metrics_) return;
  Move(metrics_->queued, queued_, queued);
  Move(metrics_->unacknowledged, unacknowledged_, unacknowledged);
  if (stalled == std::exchange(stalled_, stalled)) return;
  if (stalled) {
    stalled_since_ = Clock::now();
  } else {
    metrics_->stalls.Increment(Seconds(Clock::now() - stalled_since_));
  }
}

void LinkMeter::AcksGathered() {
  if (metrics_) metrics_->acks_gathered.Increment();
}

void LinkMeter::Answered(Clock::duration time) {
  if (metrics_) metrics_->ask_seconds.Observe(Seconds(time));
}

void LinkMeter::AskFailed() {
  if (metrics_) metrics_->asks_failed.Increment();
}

}  // namespace parley::rpc

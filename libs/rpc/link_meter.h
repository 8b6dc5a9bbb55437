#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "libs/rpc/link_metrics.h"
#include "parley/link/v1/link.pb.h"

namespace parley::rpc {

// What one link adds to the metrics of its kind, if there are any.
class LinkMeter {
 public:
  explicit LinkMeter(std::shared_ptr<LinkMetrics> metrics) : metrics_(std::move(metrics)) {}
  ~LinkMeter() { Down(); }
  LinkMeter(const LinkMeter&) = delete;
  LinkMeter& operator=(const LinkMeter&) = delete;

  void Up();
  void Down();
  void Violation();
  // After it was serialised.
  void Sent(const link::v1::Frame& frame);
  void Received(const link::v1::Frame& frame, std::size_t bytes);
  // The peer took or refused envelope `seq`.
  void Settled(std::uint64_t seq);
  // Whether a stanza that nobody waits for is to be acknowledged as if somebody did: how long the others take says
  // nothing. Each time counts as one.
  bool WantsToTime(link::v1::Kind kind);
  void Outbox(std::size_t queued, std::size_t unacknowledged, bool stalled);
  // link.ack_stanzas or link.ack_bytes is reached.
  void AcksGathered();
  void Answered(std::chrono::steady_clock::duration time);
  void AskFailed();

 private:
  using Clock = std::chrono::steady_clock;

  std::shared_ptr<LinkMetrics> metrics_;
  bool up_ = false;
  std::size_t queued_ = 0;
  std::size_t unacknowledged_ = 0;
  bool stalled_ = false;
  Clock::time_point stalled_since_;

  // Envelopes whose way is timed: of each frame the first, while there is a free place.
  struct Timed {
    std::uint64_t seq = 0;  // 0: free
    prometheus::Histogram* seconds = nullptr;
    Clock::time_point sent;
  };
  void Time(const link::v1::Envelope& envelope);
  std::array<Timed, 4> timed_;
  std::uint32_t untimed_ = 0;  // that nobody waits for, in a row
  Clock::time_point last_timed_;
};

}  // namespace parley::rpc

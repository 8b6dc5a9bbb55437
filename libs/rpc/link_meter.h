#pragma once

#include <chrono>
#include <cstddef>
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
  void Outbox(std::size_t queued, std::size_t unacknowledged, bool stalled);
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
};

}  // namespace parley::rpc

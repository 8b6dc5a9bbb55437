#pragma once

#include <chrono>

namespace parley::router {

// Whether the offline store is only away for a moment. What fails then is tried again; what fails later is refused at
// once, so that a long outage does not hold up everybody for each message.
class StoreOutage {
 public:
  using Clock = std::chrono::steady_clock;
  explicit StoreOutage(Clock::duration patience) : patience_(patience) {}

  void OnFailure() {
    const auto now = Clock::now();
    if (now > last_ + patience_) began_ = now;  // of an outage before nobody may have seen the end
    last_ = now;
  }
  void OnSuccess() { last_ = Clock::time_point(); }
  bool may_pass() const { return Clock::now() < began_ + patience_; }

 private:
  const Clock::duration patience_;
  Clock::time_point began_;
  Clock::time_point last_;  // failure
};

}  // namespace parley::router

#pragma once

#include <chrono>

namespace parley::router {

// Whether the offline store is only away for a moment. What fails then is tried again; what fails later is refused at
// once, so that a long outage does not hold up everybody for each message. It is over when nothing has failed for the
// same time, not with the first success: others may be stored by a roster service that has its PostgreSQL yet.
class StoreOutage {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit StoreOutage(std::chrono::steady_clock::duration patience) : patience_(patience) {}

  void OnFailure(Time now) {
    if (now > last_ + patience_) began_ = now;
    last_ = now;
  }
  // Something has failed.
  bool may_pass(Time now) const { return now < began_ + patience_; }

 private:
  const std::chrono::steady_clock::duration patience_;
  Time began_;
  Time last_;  // failure
};

}  // namespace parley::router

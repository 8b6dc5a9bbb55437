#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace parley::c2s {

// So many tokens a second, gathering up to a burst. A rate of 0 is no limit.
struct Rate {
  double per_second = 0;
  double burst = 0;
};

// Lets its user go into debt: what came has come; the answer is how long to wait before the next.
class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  // How long until what was taken is paid for; zero: go on.
  Clock::duration Take(const Rate& rate, double tokens, Clock::time_point now) {
    if (rate.per_second <= 0) return Clock::duration::zero();
    Refill(rate, now);
    level_ -= tokens;
    return Debt(rate, level_);
  }

  // The same, but nothing is taken, and there is no answer, where it would be longer than `most`.
  std::optional<Clock::duration> TakeWithin(const Rate& rate, double tokens, Clock::duration most,
                                            Clock::time_point now) {
    if (rate.per_second <= 0) return Clock::duration::zero();
    Refill(rate, now);
    const auto wait = Debt(rate, level_ - tokens);
    if (wait > most) return std::nullopt;
    level_ -= tokens;
    return wait;
  }

  // Without going into debt: false, and nothing taken, when there are too few.
  bool TryTake(const Rate& rate, double tokens, Clock::time_point now) {
    if (rate.per_second <= 0) return true;
    Refill(rate, now);
    if (level_ < tokens) return false;
    level_ -= tokens;
    return true;
  }

  bool Has(const Rate& rate, double tokens, Clock::time_point now) {
    if (rate.per_second <= 0) return true;
    Refill(rate, now);
    return level_ >= tokens;
  }

  bool Full(const Rate& rate, Clock::time_point now) { return Has(rate, rate.burst, now); }

 private:
  static Clock::duration Debt(const Rate& rate, double level) {
    if (level >= 0) return Clock::duration::zero();
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(-level / rate.per_second));
  }

  void Refill(const Rate& rate, Clock::time_point now) {
    if (filled_ == Clock::time_point()) {
      level_ = rate.burst;
    } else {
      const double seconds = std::chrono::duration<double>(now - filled_).count();
      level_ = std::min(rate.burst, level_ + std::max(0.0, seconds) * rate.per_second);
    }
    filled_ = now;
  }

  double level_ = 0;
  Clock::time_point filled_;  // epoch: never used, full
};

}  // namespace parley::c2s

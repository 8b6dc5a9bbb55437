#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "bench/generator/histogram.h"

namespace parley::bench {

// What one process of load saw.
struct Stats {
  bool recording = false;
  // While recording.
  std::uint64_t delivered = 0;
  Histogram latency;
  Histogram others;  // latency among those whom the scenario does not touch
  std::uint64_t tls_resumed = 0;
  // From first to last.
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;
  std::uint64_t repeated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t refused = 0;         // stanzas answered with an error
  std::uint64_t failed = 0;          // logins, streams that ended by themselves
  std::uint64_t unacknowledged = 0;  // XEP-0198: at the end
  std::uint64_t not_resumed = 0;
  std::uint64_t retried = 0;  // refused when coming back, and came again
  double cpu_seconds = 0;  // of the generator while recording
  std::string first_failure;

  void Deliver(std::uint64_t latency_ns);
  void Fail(const std::string& why);
  bool clean() const { return lost + repeated + reordered + refused + failed + unacknowledged + not_resumed == 0; }
  void Add(const Stats& other);
  nlohmann::json ToJson() const;
  static Stats FromJson(const nlohmann::json& json);
};

// One sender's stanzas to one receiver: each must come once, in order.
class Flow {
 public:
  std::uint32_t Next() { return ++sent_; }
  // False: this one came before.
  bool Arrive(std::uint32_t number, Stats& stats);
  // The last one that came, if none is missing.
  bool IsLatest(std::uint32_t number) const { return number == arrived_ && missing_.empty(); }
  bool settled() const { return arrived_ == sent_ && missing_.empty(); }
  void CountLost(Stats& stats) const { stats.lost += missing_.size() + (sent_ - arrived_); }

 private:
  std::uint32_t sent_ = 0;
  std::uint32_t arrived_ = 0;  // the highest
  std::set<std::uint32_t> missing_;
};

// A contact's presence as one user sees it: each broadcast once, in order. The answer to the probe that went out at the
// user's login (RFC 6121 4.3) may be as late as the first broadcasts, and then says again what was said last. A login
// probes a contact once, so that one repeat is the answer, and the next is a fault.
class PresenceFlow {
 public:
  // False: this one came before.
  bool Arrive(std::uint32_t number, Stats& stats);

 private:
  Flow flow_;
  bool answered_ = false;
};

}  // namespace parley::bench

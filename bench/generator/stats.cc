#include "bench/generator/stats.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace parley::bench {

void Stats::Deliver(std::uint64_t latency_ns) {
  if (!recording) return;
  ++delivered;
  latency.Record(latency_ns);
}

void Stats::Fail(const std::string& why) {
  ++failed;
  if (first_failure.empty()) first_failure = why;
}

void Stats::Add(const Stats& other) {
  delivered += other.delivered;
  latency.Add(other.latency);
  others.Add(other.others);
  sent += other.sent;
  lost += other.lost;
  repeated += other.repeated;
  reordered += other.reordered;
  refused += other.refused;
  failed += other.failed;
  unacknowledged += other.unacknowledged;
  not_resumed += other.not_resumed;
  retried += other.retried;
  tls_resumed += other.tls_resumed;
  cpu_seconds += other.cpu_seconds;
  if (first_failure.empty()) first_failure = other.first_failure;
}

nlohmann::json Stats::ToJson() const {
  return {{"delivered", delivered},
          {"latency", latency.ToJson()},
          {"others", others.ToJson()},
          {"sent", sent},
          {"lost", lost},
          {"repeated", repeated},
          {"reordered", reordered},
          {"refused", refused},
          {"failed", failed},
          {"unacknowledged", unacknowledged},
          {"not_resumed", not_resumed},
          {"retried", retried},
          {"tls_resumed", tls_resumed},
          {"cpu_seconds", cpu_seconds},
          {"first_failure", first_failure}};
}

Stats Stats::FromJson(const nlohmann::json& json) {
  Stats stats;
  stats.delivered = json.at("delivered");
  stats.latency = Histogram::FromJson(json.at("latency"));
  stats.others = Histogram::FromJson(json.at("others"));
  stats.sent = json.at("sent");
  stats.lost = json.at("lost");
  stats.repeated = json.at("repeated");
  stats.reordered = json.at("reordered");
  stats.refused = json.at("refused");
  stats.failed = json.at("failed");
  stats.unacknowledged = json.at("unacknowledged");
  stats.not_resumed = json.at("not_resumed");
  stats.retried = json.at("retried");
  stats.tls_resumed = json.at("tls_resumed");
  stats.cpu_seconds = json.at("cpu_seconds");
  stats.first_failure = json.at("first_failure");
  return stats;
}

bool Flow::Arrive(std::uint32_t number, Stats& stats) {
  if (number > arrived_) {
    for (std::uint32_t skipped = arrived_ + 1; skipped < number; ++skipped) missing_.insert(skipped);
    arrived_ = number;
    return true;
  }
  if (missing_.erase(number) > 0) {
    ++stats.reordered;
    return true;
  }
  ++stats.repeated;
  return false;
}

bool PresenceFlow::Arrive(std::uint32_t number, Stats& stats) {
  if (flow_.IsLatest(number) && !std::exchange(answered_, true)) return false;
  return flow_.Arrive(number, stats);
}

}  // namespace parley::bench

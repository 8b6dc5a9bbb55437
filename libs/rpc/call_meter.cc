#include "libs/rpc/call_meter.h"

namespace parley::rpc {

CallMeter::Method CallMeter::Make(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const auto counter = [&](const char* outcome) {
    return &metrics_->Counter("parley_rpc_calls_total", "Calls by outcome", {{"method", name}, {"outcome", outcome}});
  };
  return {metrics_->Histogram("parley_rpc_call_seconds", "Time from a call to its end", {{"method", name}}),
          {{Outcome::kAnswered, counter("answered")},
           {Outcome::kFailed, counter("failed")},
           {Outcome::kCancelled, counter("cancelled")},
           {Outcome::kDenied, counter("denied")}}};
}

void CallMeter::Ended(const std::string& path, Outcome outcome, Clock::time_point begun) {
  if (metrics_ == nullptr) return;
  auto method = methods_.find(path);
  if (method == methods_.end()) method = methods_.emplace(path, Make(path)).first;
  method->second.outcomes.at(outcome)->Increment();
  method->second.seconds.Observe(std::chrono::duration<double>(Clock::now() - begun).count());
}

}  // namespace parley::rpc

#pragma once

#include <chrono>
#include <map>
#include <string>

#include "libs/telemetry/metrics.h"

namespace parley::rpc {

// How many calls a server's methods get, what becomes of them, and how long they take. Loop's thread only.
class CallMeter {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { kAnswered, kFailed, kCancelled, kDenied };

  explicit CallMeter(telemetry::Metrics* metrics) : metrics_(metrics) {}
  // Calls may outlive what they are counted in.
  void Close() { metrics_ = nullptr; }
  // `path`, of a method that there is: "/package.Service/Method".
  void Ended(const std::string& path, Outcome outcome, Clock::time_point begun);

 private:
  struct Method {
    prometheus::Histogram& seconds;
    std::map<Outcome, prometheus::Counter*> outcomes;
  };
  Method Make(const std::string& path);

  telemetry::Metrics* metrics_;
  std::map<std::string, Method> methods_;
};

}  // namespace parley::rpc

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "libs/telemetry/admin_options.h"
#include "libs/telemetry/metrics.h"

namespace parley::telemetry {

// HTTP for probes and Prometheus, on the service's own loop, so that /livez answers only while the loop turns:
// /metrics, /livez (200), /readyz (200, or 503 with a line for each condition that is not met).
class Admin {
 public:
  // `listen`: "host:port", port 0 takes a free one.
  Admin(Loop& loop, Metrics& metrics, const std::string& listen, const AdminOptions& options = {});
  ~Admin();
  int port() const;
  // Ready when every check returns an empty string; otherwise it says what is missing.
  void AddReadyCheck(std::string name, std::function<std::string()> check);
  // From the first SIGTERM.
  void SetStopping();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::telemetry

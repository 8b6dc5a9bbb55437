#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace parley::telemetry {

// Whether the process should get traffic.
class Readiness {
 public:
  // `check` returns what is missing, or an empty string.
  void Add(std::string name, std::function<std::string()> check);
  void SetStopping() { stopping_ = true; }
  // A line "name: what is missing" for each condition that is not met; empty: ready.
  std::string Missing() const;

 private:
  std::vector<std::pair<std::string, std::function<std::string()>>> checks_;
  bool stopping_ = false;
};

}  // namespace parley::telemetry

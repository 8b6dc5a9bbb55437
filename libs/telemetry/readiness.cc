#include "libs/telemetry/readiness.h"

namespace parley::telemetry {

void Readiness::Add(std::string name, std::function<std::string()> check) {
  checks_.emplace_back(std::move(name), std::move(check));
}

std::string Readiness::Missing() const {
  std::string lines;
  if (stopping_) lines += "process: stopping\n";
  for (const auto& [name, check] : checks_) {
    const std::string missing = check();
    if (!missing.empty()) lines += name + ": " + missing + "\n";
  }
  return lines;
}

}  // namespace parley::telemetry

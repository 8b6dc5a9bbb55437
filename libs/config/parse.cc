#include "libs/config/parse.h"

#include <unistd.h>

namespace parley::config {
namespace {

std::string MachineName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "parley";
  return name;
}

}  // namespace

Parsed ParseAll(const std::string& source, const std::string& yaml, const std::vector<std::string>& overrides) {
  Parsed parsed;
  ApplyYaml(parsed, source, yaml);
  ApplySecrets(parsed);
  for (const auto& override : overrides) ApplyOverride(parsed, override);
  if (parsed.config.cluster.instance.empty()) parsed.config.cluster.instance = MachineName();
  CheckConsistency(parsed);
  return parsed;
}

Config Parse(const std::string& yaml, const std::vector<std::string>& overrides) {
  return ParseAll("config", yaml, overrides).config;
}

const Host* Config::FindHost(std::string_view domain) const {
  for (const Host& host : hosts) {
    if (host.domain == domain) return &host;
  }
  return nullptr;
}

}  // namespace parley::config

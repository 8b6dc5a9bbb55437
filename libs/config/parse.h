#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/config/config.h"
#include "libs/config/value.h"

namespace parley::config {

// Where each key was set: "parley.yaml:12", "--set", "PARLEY_REDIS_PASSWORD".
using Places = std::map<std::string, std::string, std::less<>>;

struct Parsed {
  Config config;
  Places places;
};

// From weakest to strongest: defaults, file, environment (secrets only), --set. Throws Problem with the place and the
// remedy. `source` names the file.
Parsed ParseAll(const std::string& source, const std::string& yaml, const std::vector<std::string>& overrides);

// The steps of ParseAll.
void ApplyYaml(Parsed& parsed, const std::string& source, const std::string& yaml);
void ApplySecrets(Parsed& parsed);
void ApplyOverride(Parsed& parsed, const std::string& override);

// "; did you mean 'x'?" or where to find what there is.
std::string Suggestion(std::string_view path);

// What the values mean together. Each error names the place of the key to change.
void CheckConsistency(const Parsed& parsed);
// What this service cannot do without.
void CheckService(const Parsed& parsed, std::string_view service);
// Files that the configuration names can be read, and certificates used (--check-config).
void CheckFiles(const Parsed& parsed);

}  // namespace parley::config

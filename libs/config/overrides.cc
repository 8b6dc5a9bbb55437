#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "libs/config/yaml.h"

namespace parley::config {
namespace {

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    const auto first = item.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    items.push_back(item.substr(first, item.find_last_not_of(' ') - first + 1));
  }
  return items;
}

void AssignText(const Field& field, const Rule& rule, const std::string& text, const std::string& place,
                const std::string& path) {
  if (IsList(field) && text.starts_with('[')) return AssignNode(field, rule, LoadYaml(place, text), place, path);
  try {
    if (IsList(field)) {
      Assign(field, rule, SplitList(text));
    } else {
      Assign(field, rule, text);
    }
  } catch (const Problem& problem) {
    throw Problem(place + ": " + problem.what());
  }
}

// "hosts.example.org.registration" or, for all of them, "hosts.*.registration".
void OverrideHost(Parsed& parsed, const std::string& path, const std::string& value, const std::string& place) {
  constexpr std::size_t kPrefix = 6;  // "hosts."
  const auto last_dot = path.rfind('.');
  if (last_dot < kPrefix) throw Problem(place + ": write hosts.DOMAIN.KEY=VALUE, or hosts.*.KEY=VALUE for all");
  const std::string domain = path.substr(kPrefix, last_dot - kPrefix);
  const std::string key = path.substr(last_dot + 1);
  const auto* row = FindRow(HostRows(), key);
  if (row == nullptr) throw Problem(place + ": unknown key 'hosts." + key + "'" + Suggestion("hosts." + key));
  bool found = false;
  for (Host& host : parsed.config.hosts) {
    if (domain != "*" && domain != host.domain) continue;
    AssignText(row->field(host), row->rule, value, place, path);
    found = true;
  }
  if (!found) throw Problem(place + ": there is no host '" + domain + "'; the file must name it under 'hosts'");
}

std::string ReadSecretFile(const std::string& variable, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Problem(variable + ": cannot read '" + file + "'; check the path and its permissions");
  std::string secret{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  // Editors and `echo` end a file with a newline.
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  return secret;
}

}  // namespace

void ApplySecrets(Parsed& parsed) {
  for (const auto& row : Rows()) {
    if (row.secret.empty()) continue;
    const std::string variable(row.secret);
    const std::string file_variable = variable + "_FILE";
    const char* value = std::getenv(variable.c_str());
    const char* file = std::getenv(file_variable.c_str());
    if (value != nullptr && file != nullptr) {
      throw Problem(variable + " and " + file_variable + " are both set; unset one of them");
    }
    if (value == nullptr && file == nullptr) continue;
    const std::string secret = value != nullptr ? value : ReadSecretFile(file_variable, file);
    Assign(row.field(parsed.config), row.rule, secret);
    parsed.places[std::string(row.path)] = value != nullptr ? variable : file_variable;
  }
}

void ApplyOverride(Parsed& parsed, const std::string& override) {
  const auto equals = override.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Problem("--set " + override + ": write it as --set key=value, for instance --set c2s.max_depth=32");
  }
  const std::string path = override.substr(0, equals);
  const std::string value = override.substr(equals + 1);
  const std::string place = "--set " + path;
  if (path == "hosts") return ReadHosts(parsed, place, LoadYaml(place, value));
  if (path.starts_with("hosts.")) return OverrideHost(parsed, path, value, place);
  const auto* row = FindRow(Rows(), path);
  if (row == nullptr) throw Problem(place + ": unknown key '" + path + "'" + Suggestion(path));
  if (!row->secret.empty()) {
    const std::string variable(row->secret);
    throw Problem(place + ": a secret does not belong on a command line, which every process can read; set " +
                  variable + ", or " + variable + "_FILE to a file that holds it");
  }
  AssignText(row->field(parsed.config), row->rule, value, place, path);
  parsed.places[path] = place;
}

}  // namespace parley::config

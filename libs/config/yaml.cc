#include "libs/config/yaml.h"

#include <algorithm>
#include <set>

namespace parley::config {
namespace {

[[noreturn]] void Fail(const std::string& place, const std::string& what) { throw Problem(place + ": " + what); }

void CheckKey(std::set<std::string>& seen, const std::string& key, const std::string& place) {
  if (!seen.insert(key).second) Fail(place, "'" + key + "' is given twice; keep one of them");
}

bool IsSection(std::string_view path) {
  const std::string prefix = std::string(path) + ".";
  return std::any_of(Rows().begin(), Rows().end(), [&](const auto& row) { return row.path.starts_with(prefix); });
}

void ReadSection(Parsed& parsed, const std::string& source, const YAML::Node& section, const std::string& prefix) {
  std::set<std::string> seen;
  for (const auto& entry : section) {
    const std::string place = PlaceOf(source, entry.first);
    if (!entry.first.IsScalar()) Fail(place, "a key must be a word");
    const std::string key = entry.first.Scalar();
    const std::string path = prefix + key;
    CheckKey(seen, key, place);
    if (path == "hosts") {
      ReadHosts(parsed, source, entry.second);
    } else if (const auto* row = FindRow(Rows(), path)) {
      AssignNode(row->field(parsed.config), row->rule, entry.second, place, path);
      parsed.places[path] = place;
    } else if (!IsSection(path)) {
      Fail(place, "unknown key '" + path + "'" + Suggestion(path));
    } else if (entry.second.IsMap()) {
      ReadSection(parsed, source, entry.second, path + ".");
    } else if (!entry.second.IsNull()) {  // all of it may be commented out
      Fail(place, "'" + path + "' is a section: put its keys below it, indented");
    }
  }
}

Host ReadHost(const std::string& source, const YAML::Node& node) {
  const std::string here = PlaceOf(source, node);
  if (!node.IsMap()) Fail(here, "each of 'hosts' is a mapping with at least 'domain', like '- domain: example.org'");
  Host host;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string place = PlaceOf(source, entry.first);
    const std::string key = entry.first.Scalar();
    CheckKey(seen, key, place);
    const auto* row = FindRow(HostRows(), key);
    if (row == nullptr) Fail(place, "unknown key 'hosts." + key + "'" + Suggestion("hosts." + key));
    AssignNode(row->field(host), row->rule, entry.second, place, "hosts." + key);
  }
  if (host.domain.empty()) Fail(here, "a host has no 'domain'; add 'domain: example.org'");
  return host;
}

}  // namespace

std::string PlaceOf(const std::string& source, const YAML::Node& node) {
  const YAML::Mark mark = node.Mark();
  const bool named_option = source.starts_with("--");
  if (mark.is_null() || named_option) return source;
  return source + ":" + std::to_string(mark.line + 1);
}

YAML::Node LoadYaml(const std::string& source, const std::string& text) {
  try {
    return YAML::Load(text);
  } catch (const YAML::ParserException& error) {
    Fail(source.starts_with("--") ? source : source + ":" + std::to_string(error.mark.line + 1),
         "not valid YAML: " + error.msg);
  }
}

void AssignNode(const Field& field, const Rule& rule, const YAML::Node& node, const std::string& place,
                const std::string& path) {
  const std::string subject = place + ": " + path + ": ";
  if (node.IsNull()) throw Problem(subject + "no value; give one, or remove the line");
  if (node.IsMap()) throw Problem(subject + "a mapping is not possible here; give a " + PrintType(field, rule));
  if (node.IsSequence() && !IsList(field)) {
    throw Problem(subject + "a list is not possible here; give a " + PrintType(field, rule));
  }
  try {
    if (node.IsScalar()) return Assign(field, rule, node.Scalar());
    std::vector<std::string> texts;
    for (const auto& item : node) {
      if (!item.IsScalar()) throw Problem("the list must hold plain values");
      texts.push_back(item.Scalar());
    }
    Assign(field, rule, texts);
  } catch (const Problem& problem) {
    throw Problem(subject + problem.what());
  }
}

void ReadHosts(Parsed& parsed, const std::string& source, const YAML::Node& node) {
  const std::string here = PlaceOf(source, node);
  if (!node.IsSequence()) Fail(here, "'hosts' is a list: write each as '- domain: example.org'");
  parsed.config.hosts.clear();
  for (const auto& item : node) {
    Host host = ReadHost(source, item);
    const std::string place = PlaceOf(source, item);
    if (parsed.config.FindHost(host.domain) != nullptr) {
      Fail(place, "host '" + host.domain + "' is given twice; keep one of them");
    }
    parsed.places["hosts." + host.domain] = place;
    parsed.config.hosts.push_back(std::move(host));
  }
  parsed.places["hosts"] = here;
}

void ApplyYaml(Parsed& parsed, const std::string& source, const std::string& yaml) {
  const YAML::Node root = LoadYaml(source, yaml);
  if (root.IsNull()) return;
  if (!root.IsMap()) Fail(source, "the file must hold sections like 'hosts:' and 'c2s:'");
  ReadSection(parsed, source, root, "");
}

}  // namespace parley::config

#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

#include "libs/config/parse.h"
#include "libs/config/schema.h"

// From YAML nodes to fields. yaml-cpp stays in the few files that include this.
namespace parley::config {

// "file:line", or `source` alone for text that has no lines.
std::string PlaceOf(const std::string& source, const YAML::Node& node);

YAML::Node LoadYaml(const std::string& source, const std::string& text);

// `place` and `path` go into what is thrown.
void AssignNode(const Field& field, const Rule& rule, const YAML::Node& node, const std::string& place,
                const std::string& path);

void ReadHosts(Parsed& parsed, const std::string& source, const YAML::Node& node);

template <class Owner>
const Row<Owner>* FindRow(const std::vector<Row<Owner>>& rows, std::string_view path) {
  for (const auto& row : rows) {
    if (row.path == path) return &row;
  }
  return nullptr;
}

}  // namespace parley::config

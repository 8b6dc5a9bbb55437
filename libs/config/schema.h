#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/config/config.h"
#include "libs/config/value.h"

// The one table of what can be configured. Parser, command line, checks and the printed reference read it.
namespace parley::config {

template <class Owner>
struct Row {
  std::string_view path;  // as written in YAML, sections joined by dots
  Field (*field)(Owner&);
  Rule rule;
  std::string_view meaning;
  std::string_view secret = "";  // environment variable that overrides it (and <name>_FILE, a file with the value)
};

struct Section {
  std::string_view name;
  std::string_view meaning;
};

const std::vector<Section>& Sections();
const std::vector<Row<Config>>& Rows();
// Of each element of `hosts`.
const std::vector<Row<Host>>& HostRows();

}  // namespace parley::config

#include <sstream>

#include "libs/config/schema.h"

namespace parley::config {
namespace {

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Printed by --print-config-reference from libs/config/schema.cc; do not edit. -->

All services read the same YAML file (`--config FILE`; `deploy/parley.example.yaml` is one to start from). Later wins:
the default, the file, the environment (secrets only), `--set key=value` on the command line. Lists are given to `--set`
with commas (`--set c2s.listen=0.0.0.0:5222,[::]:5222`) or as YAML; a key of one host as
`--set hosts.example.org.registration=true`, of all hosts as `--set 'hosts.*.registration=true'`.

A key that does not exist, a value of the wrong type and an impossible value end the start with exit status 2 and one
line that names the place and the remedy. `--check-config` does this check, that of the files named, and no more.

Sizes are bytes, or have a unit: `64KiB`, `1MiB`. Durations have a unit: `500ms`, `30s`, `2m`, `1h`.
)";

std::string Cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string Code(const std::string& text) { return text.empty() ? "" : "`" + Cell(text) + "`"; }

template <class Owner>
void PrintRow(std::ostream& out, const Row<Owner>& row, std::string_view key, Owner& defaults) {
  const Field field = row.field(defaults);
  const std::string range = PrintRange(row.rule);
  std::string type = PrintType(field, row.rule);
  if (!range.empty()) type += ": " + range;
  std::string meaning(row.meaning);
  if (!row.secret.empty()) {
    meaning += " Environment: `" + std::string(row.secret) + "`, or `" + std::string(row.secret) +
               "_FILE` for a file that holds it.";
  }
  out << "| `" << key << "` | " << Code(Print(field, row.rule)) << " | " << Cell(type) << " | " << Cell(meaning)
      << " |\n";
}

void PrintHead(std::ostream& out, std::string_view name, std::string_view meaning) {
  out << "\n## " << name << "\n" << meaning << "\n\n| key | default | takes | meaning |\n|---|---|---|---|\n";
}

}  // namespace

std::string ReferenceMarkdown() {
  std::ostringstream out;
  out << kIntroduction;
  PrintHead(out, "hosts", "The domains that the cluster serves: a list of mappings with these keys.");
  Host host;
  for (const auto& row : HostRows()) PrintRow(out, row, row.path, host);
  Config config;
  for (const auto& section : Sections()) {
    PrintHead(out, section.name, section.meaning);
    const std::string prefix = std::string(section.name) + ".";
    for (const auto& row : Rows()) {
      if (row.path.starts_with(prefix)) PrintRow(out, row, row.path, config);
    }
  }
  return out.str();
}

}  // namespace parley::config

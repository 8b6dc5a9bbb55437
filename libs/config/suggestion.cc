#include <algorithm>
#include <numeric>

#include "libs/config/parse.h"
#include "libs/config/schema.h"

namespace parley::config {
namespace {

// Levenshtein distance.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string_view LastWord(std::string_view path) { return path.substr(path.rfind('.') + 1); }
std::string_view Place(std::string_view path) { return path.substr(0, path.size() - LastWord(path).size()); }

}  // namespace

std::string Suggestion(std::string_view path) {
  std::vector<std::string> known{"hosts"};
  for (const auto& section : Sections()) known.emplace_back(section.name);
  for (const auto& row : Rows()) known.emplace_back(row.path);
  for (const auto& row : HostRows()) known.push_back("hosts." + std::string(row.path));
  // Of those that are equally near, one of the same place is meant.
  std::ranges::stable_partition(known, [path](const auto& key) { return Place(key) == Place(path); });
  std::size_t best = std::max<std::size_t>(2, LastWord(path).size() / 3) + 1;
  std::string meant;
  for (const auto& candidate : known) {
    // The right word in the wrong section is as near as a slip of the finger.
    const std::size_t distance = LastWord(candidate) == LastWord(path) ? 1 : Distance(candidate, path);
    if (distance >= best) continue;
    best = distance;
    meant = candidate;
  }
  if (!meant.empty()) return "; did you mean '" + meant + "'?";
  return "; --print-config-reference lists all keys";
}

}  // namespace parley::config

#pragma once

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

// For tests only: the tables by which sessions live (libs/session/transition.h), as they are in code and as
// ARCHITECTURE.md has them.
namespace parley::test {

// "FROM | EVENT | TO" of each row, sorted.
template <class Table>
std::vector<std::string> RowsOf(const Table& table) {
  std::vector<std::string> rows;
  for (const auto& [from, event, to] : table) {
    rows.push_back(std::string(Name(from)) + " | " + std::string(Name(event)) + " | " + std::string(Name(to)));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

// The parts of `text` between separators, without spaces around.
inline std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    const auto from = part.find_first_not_of(' ');
    if (from != std::string::npos) part = part.substr(from, part.find_last_not_of(' ') - from + 1);
    parts.push_back(part);
  }
  return parts;
}

// The same of the first table behind `heading` in a Markdown file. A row there may be for several states,
// "bound, away", and says more of its event: "closed: by the client".
inline std::vector<std::string> RowsIn(const std::string& file, const std::string& heading) {
  std::ifstream stream(file);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  std::vector<std::string> rows;
  const auto table = text.find("\n|", text.find("\n" + heading + "\n"));
  std::istringstream lines(table == std::string::npos ? std::string() : text.substr(table + 1));
  for (std::string line; std::getline(lines, line) && line.starts_with("|");) {
    const auto cells = Split(line, '|');
    if (cells.size() < 4 || cells[1] == "from" || cells[1].starts_with("--")) continue;
    const std::string event = cells[2].substr(0, cells[2].find(':'));
    for (const auto& from : Split(cells[1], ',')) rows.push_back(from + " | " + event + " | " + cells[3]);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace parley::test

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parley::ctl {

// Rows under headings, columns as wide as their widest cell, on standard output.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);
  void Add(std::vector<std::string> row);
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "2024-05-01T09:30:00Z"; "-" for 0.
std::string Time(std::int64_t unix_ms);

}  // namespace parley::ctl

#pragma once

#include <cstddef>
#include <istream>
#include <string>
#include <vector>

namespace parley::ctl {

struct ImportLine {
  std::size_t number = 0;  // from 1
  std::string jid;
  std::string password;
};

struct BadLine {
  std::size_t number = 0;
  std::string why;
};

// Lines of a bare JID, white space, a password (which may hold spaces). Empty lines are skipped.
struct ImportFile {
  std::vector<ImportLine> lines;
  std::vector<BadLine> bad;
};
ImportFile ReadImport(std::istream& in);

}  // namespace parley::ctl

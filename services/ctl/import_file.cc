#include "services/ctl/import_file.h"

#include <string_view>

namespace parley::ctl {
namespace {

constexpr std::string_view kSpace = " \t";

std::string_view WithoutByteOrderMark(std::string_view line) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return line.starts_with(kMark) ? line.substr(kMark.size()) : line;
}

}  // namespace

ImportFile ReadImport(std::istream& in) {
  ImportFile file;
  std::string buffer;
  for (std::size_t number = 1; std::getline(in, buffer); ++number) {
    std::string_view line = number == 1 ? WithoutByteOrderMark(buffer) : std::string_view(buffer);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
    if (line.empty()) continue;
    const auto jid_end = line.find_first_of(kSpace);
    const auto password = jid_end == line.npos ? line.npos : line.find_first_not_of(kSpace, jid_end);
    if (password == line.npos) {
      file.bad.push_back({number, "expected a bare JID, white space and a password"});
    } else {
      file.lines.push_back({number, std::string(line.substr(0, jid_end)), std::string(line.substr(password))});
    }
  }
  return file;
}

}  // namespace parley::ctl

#include "services/ctl/pie/stamp.h"

#include <cstdio>
#include <ctime>

namespace parley::ctl {

std::int64_t ParseStamp(std::string_view text) {
  const std::string copy(text);
  std::tm utc{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (rest == nullptr) return 0;
  std::int64_t ms = 0;
  if (*rest == '.') {
    int scale = 100;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, scale /= 10) ms += (*rest - '0') * scale;
  }
  if (*rest != 'Z' && std::string_view(rest) != "+00:00") return 0;
  return static_cast<std::int64_t>(timegm(&utc)) * 1000 + ms;
}

std::string FormatStamp(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return std::string(text, size) + "." + std::to_string(1000 + unix_ms % 1000).substr(1) + "Z";
}

}  // namespace parley::ctl

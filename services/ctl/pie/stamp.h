#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parley::ctl {

// XEP-0082 date and time in UTC ("2024-05-01T09:30:00.123Z"), unix milliseconds. 0 if it is none.
std::int64_t ParseStamp(std::string_view text);
std::string FormatStamp(std::int64_t unix_ms);

}  // namespace parley::ctl

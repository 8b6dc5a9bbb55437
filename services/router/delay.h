#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace parley::router {

// When a message was stored (XEP-0203); the domain says so, as XEP-0160 shows it. Times are unix milliseconds. One that
// was stored, delivered to a session that did not acknowledge it, and stored again has the first time already: that
// counts.
std::string WithDelay(const std::string& stanza, std::string_view domain, std::int64_t received_at);
// Without what that added for the same time, which is kept beside it: however often it is stored, it takes the same
// room.
std::string WithoutDelay(const std::string& stanza, std::string_view domain, std::int64_t received_at);

}  // namespace parley::router

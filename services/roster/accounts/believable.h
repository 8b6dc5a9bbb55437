#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/roster/accounts/account_store.h"

namespace parley::roster {

// What an unknown user's credential looks like: the same each time that it is asked for, the same at every instance
// (`secret` is the cluster's), not told from a real one, and fitting no password (RFC 5802 section 9, user
// enumeration).
ScramKeys BelievableKeys(std::string_view secret, std::string_view jid, std::uint32_t iterations);

}  // namespace parley::roster

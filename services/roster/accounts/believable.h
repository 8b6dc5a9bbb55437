#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/roster/accounts/account_store.h"

namespace parley::roster {

// What an unknown user's credential looks like: the same each time that it is asked for, the same at every instance
// (`secret` is the cluster's), not told from a real one, and fitting no password (RFC 5802 section 9, user
// enumeration).
//
// Also its iterations: a host whose setting was raised has accounts with the old count until their passwords change, so
// unknown names get old and new counts in the same proportions, each name always the same; as the old share shrinks,
// names change to the new count one by one, with a new salt, as accounts do whose password is changed. The current
// setting has some share from the start, so that the first accounts with it do not stand out.
std::uint32_t BelievableIterations(std::string_view secret, std::string_view jid, IterationCounts of_host,
                                   std::uint32_t current);
ScramKeys BelievableKeys(std::string_view secret, std::string_view jid, std::uint32_t iterations);

}  // namespace parley::roster

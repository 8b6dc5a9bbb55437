#pragma once

#include <string>

namespace parley::ctl {

// Asks twice without echo on a terminal; else the first line of standard input. Throws Failure.
std::string ReadPassword(const std::string& jid);

}  // namespace parley::ctl

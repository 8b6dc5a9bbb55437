#pragma once

#include <string>
#include <vector>

#include "libs/config/config.h"
#include "libs/rpc/security.h"
#include "services/ctl/options.h"

namespace parley::ctl {

// Where a command's service is: from the command line, else from the configuration. Throws Failure.
config::Config Configuration(const Options& options);
std::vector<std::string> Routers(const Options& options);
std::vector<std::string> Rosters(const Options& options);

// What the configuration says of mutual TLS; the defaults if there is none. Throws Failure.
rpc::MutualTls MutualTlsOf(const Options& options);

}  // namespace parley::ctl

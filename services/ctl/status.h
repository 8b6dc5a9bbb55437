#pragma once

#include "services/ctl/options.h"

namespace parley::ctl {

// The cluster at a glance, as all its routers see it together. Prints it; throws Failure, also if a service is missing.
void Status(const Options& options);

}  // namespace parley::ctl

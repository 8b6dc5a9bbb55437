#pragma once

#include "services/ctl/options.h"

namespace parley::ctl {

// The limits that apply to an address or an account, and how near it is. Prints its result and throws Failure.
void ShowLimits(const Options& options);

}  // namespace parley::ctl

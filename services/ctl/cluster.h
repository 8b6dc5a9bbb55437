#pragma once

#include "services/ctl/options.h"

// Commands about sessions and the cluster's processes. They print their result and throw Failure.
namespace parley::ctl {

void ListSessions(const Options& options);
void KickSessions(const Options& options);
void ListMembers(const Options& options);

}  // namespace parley::ctl

#pragma once

#include "services/ctl/options.h"

// The cluster at a glance, and orders to its edges. They print their result and throw Failure.
namespace parley::ctl {

void Status(const Options& options);
void DrainNode(const Options& options);
void UndrainNode(const Options& options);
void Ban(const Options& options);
void Unban(const Options& options);
void ListBans(const Options& options);

}  // namespace parley::ctl

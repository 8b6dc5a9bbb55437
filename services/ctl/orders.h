#pragma once

#include "services/ctl/options.h"

// Orders to edges. They print their result and throw Failure.
namespace parley::ctl {

void DrainNode(const Options& options);
void UndrainNode(const Options& options);
void Ban(const Options& options);
void Unban(const Options& options);
void ListBans(const Options& options);

}  // namespace parley::ctl

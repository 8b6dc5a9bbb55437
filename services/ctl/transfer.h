#pragma once

#include "services/ctl/options.h"

// Commands that move whole accounts, in XEP-0227 form. They print their result and throw Failure.
namespace parley::ctl {

void ExportUser(const Options& options);
void ExportAll(const Options& options);
void ImportAll(const Options& options);

}  // namespace parley::ctl

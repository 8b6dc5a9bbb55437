#pragma once

#include "services/ctl/options.h"

// Commands about accounts. They print their result and throw Failure.
namespace parley::ctl {

void AddUser(const Options& options);
void SetPassword(const Options& options);
void ListUsers(const Options& options);
void DeleteUser(const Options& options);
void ImportUsers(const Options& options);

}  // namespace parley::ctl

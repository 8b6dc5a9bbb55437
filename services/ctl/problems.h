#pragma once

#include <string>

#include "parley/accounts/v1/accounts.pb.h"

namespace parley::ctl {

// In words, with the remedy.
std::string Explain(accounts::v1::Problem problem, const std::string& jid);

// Throws Failure unless there is no problem.
void CheckProblem(accounts::v1::Problem problem, const std::string& jid);

}  // namespace parley::ctl

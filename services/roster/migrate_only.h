#pragma once

#include "libs/config/config.h"

namespace parley::roster {

// Takes `--migrate-only` out of the command line; true if it was there.
bool TakeMigrateOnly(int& argc, char** argv);

// Brings the schema up to date and returns the exit status: 0, or 1 if PostgreSQL was not there or refused.
int MigrateOnly(config::Config config);

}  // namespace parley::roster

#pragma once

#include <vector>

#include "libs/storage/postgres.h"

namespace parley::roster {

// All migrations, in order. A migration that has been released is never edited: what changes is a new one.
const std::vector<storage::Migration>& Migrations();

}  // namespace parley::roster

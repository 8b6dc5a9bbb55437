#pragma once

#include <string_view>
#include <vector>

#include "services/router/features/feature.h"

namespace parley::router {

// Whether the asker is one of the host's administrators (`hosts[].admins`).
bool Administers(const Iq& iq, const config::Host& host);
// nullptr: there is none.
const Command* FindCommand(const std::vector<Feature>& all, std::string_view node);

}  // namespace parley::router

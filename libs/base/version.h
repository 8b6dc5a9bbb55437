#pragma once

#include <string>

namespace parley {

// The release that this program is of, as CMakeLists.txt names it.
const std::string& Version();

}  // namespace parley

#include "libs/base/version.h"

namespace parley {

const std::string& Version() {
  static const std::string version = PARLEY_VERSION;
  return version;
}

}  // namespace parley

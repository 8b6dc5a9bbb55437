#include "services/c2s/sasl/mechanism.h"

namespace parley::c2s {

const std::vector<MechanismRow>& Mechanisms() {
  static const std::vector<MechanismRow> rows = {
      External(), ScramSha256Plus(), ScramSha1Plus(), ScramSha256(), ScramSha1(), Plain(), Anonymous(),
  };
  return rows;
}

}  // namespace parley::c2s

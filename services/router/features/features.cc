#include "services/router/features/features.h"

namespace parley::router {

std::shared_ptr<const std::vector<Feature>> AllFeatures(FeatureDeps deps) {
  auto all = std::make_shared<std::vector<Feature>>();
  deps.all = all;
#define FEATURE(name) all->push_back(name(deps));
#include "services/router/features/features.inc"
#undef FEATURE
  return all;
}

}  // namespace parley::router

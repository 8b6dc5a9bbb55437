#include "services/router/features/features.h"

namespace parley::router {

// What is done is in offline.cc and delivery_rules.cc.
Feature Xep0160Offline(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0160";
  feature.server_disco = {"msgoffline"};
  return feature;
}

}  // namespace parley::router

#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kVersion[] = "jabber:iq:version";

#ifndef PARLEY_VERSION
#define PARLEY_VERSION "0.1.0"
#endif

// Without <os/>: nobody needs to know it to talk to us (XEP-0092 section 5).
IqAnswer Version(const Iq&) {
  return std::string("<query xmlns='jabber:iq:version'><name>Parley</name><version>" PARLEY_VERSION
                     "</version></query>");
}

}  // namespace

Feature Xep0092Version(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0092";
  feature.server_disco = {kVersion};
  feature.iq = {{.target = Target::kServer, .ns = kVersion, .name = "query", .now = Version}};
  return feature;
}

}  // namespace parley::router

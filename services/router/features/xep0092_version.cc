#include "libs/base/version.h"
#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kVersion[] = "jabber:iq:version";

// Without <os/>: nobody needs to know it to talk to us (XEP-0092 section 5).
IqAnswer Answer(const Iq&) {
  return "<query xmlns='jabber:iq:version'><name>Parley</name><version>" + Version() + "</version></query>";
}

}  // namespace

Feature Xep0092Version(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0092";
  feature.server_disco = {kVersion};
  feature.iq = {{.target = Target::kServer, .ns = kVersion, .name = "query", .now = Answer}};
  return feature;
}

}  // namespace parley::router

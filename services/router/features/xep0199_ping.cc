#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kPing[] = "urn:xmpp:ping";

IqAnswer Pong(const Iq&) { return EmptyResult(); }

}  // namespace

Feature Xep0199Ping(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0199";
  feature.server_disco = {kPing};
  feature.account_disco = {kPing};
  feature.iq = {{.target = Target::kServer, .ns = kPing, .name = "ping", .now = Pong},
                {.target = Target::kAccount, .ns = kPing, .name = "ping", .access = Access::kAnyone, .now = Pong}};
  return feature;
}

}  // namespace parley::router

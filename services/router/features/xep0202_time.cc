#include <ctime>

#include "services/router/features/features.h"

namespace parley::router {
namespace {

constexpr char kTime[] = "urn:xmpp:time";

// The servers of a cluster may be anywhere: their time is UTC.
IqAnswer Time(const Iq&) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char stamp[32];
  const std::size_t size = std::strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>" + std::string(stamp, size) + "</utc></time>";
}

}  // namespace

Feature Xep0202Time(const FeatureDeps&) {
  Feature feature;
  feature.xep = "0202";
  feature.server_disco = {kTime};
  feature.iq = {{.target = Target::kServer, .ns = kTime, .name = "time", .now = Time}};
  return feature;
}

}  // namespace parley::router

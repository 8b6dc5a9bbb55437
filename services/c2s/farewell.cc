#include "services/c2s/farewell.h"

#include <algorithm>

#include "libs/base/log.h"
#include "libs/xmpp/errors.h"
#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"

namespace parley::c2s {
namespace {

// Of the time that there is: the rest is for what the routers have to acknowledge.
constexpr double kShareForStreams = 0.6;
// Faster than this is no use to anybody, slower keeps a small node longer than needed.
constexpr std::size_t kLeastPerStep = 50;

xmpp::StreamError ErrorFor(const config::C2s& config) {
  if (config.drain_redirect.empty()) return xmpp::StreamError("system-shutdown", "come back to another node");
  return xmpp::StreamError("see-other-host", {}, config.drain_redirect);  // RFC 6120 4.9.3.19
}

}  // namespace

std::size_t Farewell::PerStep(std::size_t streams, std::chrono::milliseconds drain_timeout) {
  const double steps = std::max(1.0, drain_timeout * kShareForStreams / kStep);
  return std::max(kLeastPerStep, static_cast<std::size_t>(static_cast<double>(streams) / steps) + 1);
}

void Farewell::Begin() {
  const std::size_t streams = context_.streams.size();
  per_step_ = PerStep(streams, context_.config.c2s.drain_timeout);
  log::Info("streams_ending", {{"streams", streams}, {"per_step", per_step_}});
}

void Farewell::Step() {
  const auto open = [](Stream& stream) { return stream.alive(); };
  for (const auto& stream : context_.streams.Some(per_step_, open)) {
    stream->Fail(ErrorFor(context_.config.c2s));
  }
}

}  // namespace parley::c2s

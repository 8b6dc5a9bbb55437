#include "services/c2s/drain.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "libs/base/log.h"
#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/stream/stream.h"
#include "services/c2s/streams.h"

namespace parley::c2s {
namespace {

constexpr std::chrono::milliseconds kStep{50};
// Of the time that there is: the rest is for what the routers have to acknowledge.
constexpr double kShareForStreams = 0.6;
// Faster than this is no use to anybody, slower keeps a small node longer than needed.
constexpr std::size_t kLeastPerStep = 50;

}  // namespace

void Drain::Start(std::function<void()> done) {
  done_ = std::move(done);
  const auto steps = context_.config.c2s.drain_timeout * kShareForStreams / kStep;
  per_step_ = std::max(kLeastPerStep, static_cast<std::size_t>(context_.streams.size() / std::max(1.0, steps)) + 1);
  log::Info("streams_ending", {{"streams", context_.streams.size()}, {"per_step", per_step_}});
  stepping_ = context_.loop.Every(kStep, [this] { Step(); });
}

void Drain::Step() {
  const auto open = [](Stream& stream) { return stream.alive(); };
  for (const auto& stream : context_.streams.Some(per_step_, open)) {
    stream->Fail(Farewell());
  }
  const bool streams_left = context_.streams.size() > 0;
  const bool sessions_left = context_.sessions.Unsettled() + context_.sessions.ending() > 0;
  // What is not acknowledged is hurried by the ends of sessions, which are said behind what these had sent.
  if (streams_left || sessions_left || context_.routers.unacknowledged() > 0) return;
  stepping_.Cancel();
  Finish();
}

xmpp::StreamError Drain::Farewell() const {
  const auto& elsewhere = context_.config.c2s.drain_redirect;
  if (elsewhere.empty()) return xmpp::StreamError("system-shutdown", "come back to another node");
  return xmpp::StreamError("see-other-host", {}, elsewhere);  // RFC 6120 4.9.3.19
}

void Drain::Finish() {
  context_.routers.AnnounceDraining();
  context_.node.Release(done_);
}

}  // namespace parley::c2s

#include "services/c2s/drain.h"

#include <utility>

#include "services/c2s/node.h"
#include "services/c2s/routers.h"
#include "services/c2s/session/session_table.h"
#include "services/c2s/streams.h"

namespace parley::c2s {

void Drain::Start(std::function<void()> done) {
  done_ = std::move(done);
  farewell_.Begin();
  stepping_ = context_.loop.Every(Farewell::kStep, [this] { Step(); });
}

void Drain::Step() {
  farewell_.Step();
  const bool streams_left = context_.streams.size() > 0;
  const bool sessions_left = context_.sessions.Unsettled() + context_.sessions.ending() > 0;
  // What is not acknowledged is hurried by the ends of sessions, which are said behind what these had sent.
  if (streams_left || sessions_left || context_.routers.unacknowledged() > 0) return;
  stepping_.Cancel();
  Finish();
}

void Drain::Finish() {
  context_.routers.AnnounceDraining();
  context_.node.Release(done_);
}

}  // namespace parley::c2s

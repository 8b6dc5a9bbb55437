#pragma once

#include <functional>

#include "libs/base/loop.h"

namespace parley::net {

// Runs the loop until the process is told to end. At the first SIGTERM or SIGINT `drain` is called; the loop goes on
// until it calls `done`, but no longer than `limit`. A second signal ends at once. SIGPIPE is ignored; SIGHUP calls
// `hangup`, if any. Returns the exit status: 0, or 1 after a second signal.
int RunUntilSignal(Loop& loop, std::function<void(std::function<void()> done)> drain, Loop::Duration limit,
                   std::function<void()> hangup = {});

}  // namespace parley::net

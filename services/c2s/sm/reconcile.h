#pragma once

#include <cstdint>
#include <functional>

#include "libs/session/queue.h"
#include "services/c2s/sm/remembered.h"
#include "services/c2s/sm/unacked.h"

namespace parley::c2s {

// A queue as Redis has it, and how it stands with us.
struct Reconciled {
  session::QueueContents contents;
  std::uint64_t logged;   // number of the last that Redis has told us that it has
  std::uint64_t written;  // and of the last that the client may have seen
};
// Takes in what others added to the queue while they took us for dead, each of which `on_new` sees. What the client has
// seen keeps its number; what it has not seen takes the place that it has in the queue. False: something that the queue
// has was not taken, as the client has it already.
bool Reconcile(Unacked& unacked, Remembered& remembered, Reconciled queue,
               const std::function<void(const link::v1::Envelope&)>& on_new);

}  // namespace parley::c2s

#include "libs/net/handshakes.h"

#include <utility>

namespace parley::net {

std::uint64_t Handshakes::Begin(std::uint32_t per_turn) {
  per_turn_ = per_turn;
  return ++begun_;
}

void Handshakes::Add(Loop& loop, std::uint64_t number, std::shared_ptr<Step> step) {
  if (!ready_.emplace(number, std::move(step)).second) return;
  if (ready_.size() > per_turn_) ++delayed_;
  if (!std::exchange(scheduled_, true)) RunAtEndOfTurn(loop);
}

// Twice: behind those who have something to send, whether they said so before or after.
void Handshakes::RunAtEndOfTurn(Loop& loop) {
  loop.AtEndOfTurn([this, &loop] { loop.AtEndOfTurn([this, &loop] { Run(loop); }); });
}

void Handshakes::Run(Loop& loop) {
  for (std::uint32_t made = 0; made < per_turn_ && !ready_.empty();) {
    const auto oldest = ready_.extract(ready_.begin());
    if (oldest.mapped()->ContinueHandshake()) ++made;
  }
  scheduled_ = !ready_.empty();
  if (scheduled_) loop.Post([this, &loop] { RunAtEndOfTurn(loop); });
}

}  // namespace parley::net

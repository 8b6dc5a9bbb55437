#include "services/router/life.h"

#include "libs/base/unix_time.h"

namespace parley::router::life {

State StateOf(const session::v1::Record& record) {
  if (record.away_since() != 0) return State::kOrphan;
  return record.queue().empty() || record.resume_ms() == 0 ? State::kBound : State::kResumable;
}

bool Apply(Event event, session::v1::Record& record) {
  const auto next = Next(StateOf(record), event);
  if (!next || *next == State::kEnded) return false;
  *next == State::kOrphan ? record.set_away_since(UnixMilliseconds()) : record.clear_away_since();
  return true;
}

}  // namespace parley::router::life

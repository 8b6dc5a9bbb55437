#include "services/router/still_owed.h"

#include <utility>

namespace parley::router {

void StillOwed::Note(std::string session, Clock::time_point asked) {
  known_ = std::make_shared<Known>(Known{std::move(session), asked});
  loop_.AtEndOfTurn<&Known::End>(known_);
}

bool StillOwed::Is(std::string_view session, Clock::time_point now) const {
  return known_ && !known_->over && known_->session == session && now - known_->asked < standstill_;
}

}  // namespace parley::router

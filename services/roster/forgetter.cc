#include "services/roster/forgetter.h"

#include <utility>

namespace parley::roster {

Forgetter::Forgetter(Loop& loop, Forget forget, std::chrono::milliseconds age, std::chrono::milliseconds period)
    : forget_(std::move(forget)), age_(age), timer_(loop.Every(period, [this] {
        if (!busy_) Run();
      })) {}

// Bounded pieces, so that no transaction is long.
void Forgetter::Run() {
  busy_ = true;
  forget_(age_, [this](Result<std::uint32_t, v1::Problem> forgotten) {
    if (forgotten && *forgotten > 0) return Run();
    busy_ = false;
  });
}

}  // namespace parley::roster

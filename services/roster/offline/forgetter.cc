#include "services/roster/offline/forgetter.h"

namespace parley::roster {

Forgetter::Forgetter(Loop& loop, OfflineStore& store, std::chrono::milliseconds age, std::chrono::milliseconds period)
    : store_(store), age_(age), timer_(loop.Every(period, [this] {
        if (!busy_) Forget();
      })) {}

// Bounded pieces, so that no transaction is long.
void Forgetter::Forget() {
  busy_ = true;
  store_.Forget(age_, [this](Result<std::uint32_t, v1::Problem> forgotten) {
    if (forgotten && *forgotten > 0) return Forget();
    busy_ = false;
  });
}

}  // namespace parley::roster

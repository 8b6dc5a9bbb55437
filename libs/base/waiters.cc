#include "libs/base/waiters.h"

#include <utility>

namespace parley {

Task<void> Waiters::Wait() {
  std::function<void(Resume)> start = [this](Resume resume) { waiting_.push_back(std::move(resume)); };
  co_await Await<bool>(std::move(start));
}

void Waiters::WakeAll() {
  for (auto& resume : std::exchange(waiting_, {})) {
    loop_.Post([resume = std::move(resume)] { resume(true); });
  }
}

}  // namespace parley

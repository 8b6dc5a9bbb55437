#pragma once

#include <chrono>

#include "libs/base/loop.h"
#include "services/roster/offline/offline_store.h"

namespace parley::roster {

// Now and then forgets the origins of offline messages that were delivered long ago.
class Forgetter {
 public:
  Forgetter(Loop& loop, OfflineStore& store, std::chrono::milliseconds age, std::chrono::milliseconds period);

 private:
  void Forget();

  OfflineStore& store_;
  const std::chrono::milliseconds age_;
  bool busy_ = false;
  Loop::Timer timer_;
};

}  // namespace parley::roster

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "libs/base/loop.h"
#include "libs/base/result.h"
#include "parley/roster/v1/roster.pb.h"

namespace parley::roster {

// Now and then has a store forget what it remembers for the sake of late repeats. Loop's thread only.
class Forgetter {
 public:
  using Reply = std::function<void(Result<std::uint32_t, v1::Problem>)>;
  // Forgets some of what is older than `age`, and tells how many.
  using Forget = std::function<void(std::chrono::milliseconds age, Reply reply)>;
  Forgetter(Loop& loop, Forget forget, std::chrono::milliseconds age, std::chrono::milliseconds period);

 private:
  void Run();

  const Forget forget_;
  const std::chrono::milliseconds age_;
  bool busy_ = false;
  Loop::Timer timer_;
};

}  // namespace parley::roster

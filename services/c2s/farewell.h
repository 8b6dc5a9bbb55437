#pragma once

#include <chrono>
#include <cstddef>

#include "services/c2s/context.h"

namespace parley::c2s {

// Sends an edge's clients elsewhere at a bounded pace: all of them within a share of c2s.drain_timeout.
class Farewell {
 public:
  static constexpr std::chrono::milliseconds kStep{50};
  static std::size_t PerStep(std::size_t streams, std::chrono::milliseconds drain_timeout);

  explicit Farewell(Context& context) : context_(context) {}
  // The pace is for the streams that there are now.
  void Begin();
  // Tells the next ones, which is to be done each kStep.
  void Step();

 private:
  Context& context_;
  std::size_t per_step_ = 0;
};

}  // namespace parley::c2s

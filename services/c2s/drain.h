#pragma once

#include <functional>

#include "services/c2s/context.h"
#include "services/c2s/farewell.h"

namespace parley::c2s {

// The end of an edge (SIGTERM): its clients are told to go elsewhere at a bounded pace, and the routers are given what
// is still on its way, before the lease ends.
class Drain {
 public:
  explicit Drain(Context& context) : context_(context), farewell_(context) {}
  void Start(std::function<void()> done);

 private:
  void Step();
  void Finish();

  Context& context_;
  Farewell farewell_;
  std::function<void()> done_;
  Loop::Timer stepping_;
};

}  // namespace parley::c2s

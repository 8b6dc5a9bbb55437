#pragma once

#include <functional>

#include "libs/xmpp/errors.h"
#include "services/c2s/context.h"

namespace parley::c2s {

// The end of an edge (SIGTERM): its clients are told to go elsewhere at a bounded pace, and the routers are given what
// is still on its way, before the lease ends.
class Drain {
 public:
  explicit Drain(Context& context) : context_(context) {}
  void Start(std::function<void()> done);

 private:
  void Step();
  xmpp::StreamError Farewell() const;
  void Finish();

  Context& context_;
  std::function<void()> done_;
  std::size_t per_step_ = 1;
  Loop::Timer stepping_;
};

}  // namespace parley::c2s

#pragma once

#include <functional>
#include <string_view>

#include "libs/xml/scanner.h"

namespace parley::c2s {

// Where a stream is in its life: what is done with the children of the stream element now.
class Stage {
 public:
  virtual ~Stage() = default;
  // A complete child; its views are valid during the call.
  virtual void OnChild(const xml::Child& child) = 0;
  // Nothing was heard for long: asks whether anybody is there.
  virtual void OnSilence() {}
  // The connection went, but something that came before still waits for its turn: whether it is wanted.
  virtual bool WantsRest() const { return false; }
  // The client closed its stream: `done` once it has got what it is owed.
  virtual void OnLeave(std::function<void()> done) { done(); }
  // The stream is over, for this reason: "closed", "lost", "timeout", or the condition of its error. Called once,
  // before the stage goes.
  virtual void OnEnd(std::string_view reason) = 0;
};

}  // namespace parley::c2s

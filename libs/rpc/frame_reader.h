#pragma once

#include "libs/rpc/link.h"

namespace parley::rpc {

// The frame that a link parses what comes into, over and over. On the loop's thread: an envelope is freed where it was
// allocated, and mostly not at all.
class FrameReader {
 public:
  // `parse` gets the empty frame and says whether there was one. nullptr: there was none.
  template <class Parse>
  link::v1::Frame* Read(Parse parse) {
    // About as many as came last time.
    auto& envelopes = *frame_.mutable_envelopes();
    while (envelopes.ClearedCount() < spare_) envelopes.AddCleared(NewEnvelope().release());
    const bool parsed = parse(frame_);
    spare_ = envelopes.size();
    return parsed ? &frame_ : nullptr;
  }

 private:
  link::v1::Frame frame_;
  int spare_ = 0;
};

}  // namespace parley::rpc

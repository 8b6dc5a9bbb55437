#pragma once

#include <cstdint>
#include <string>

#include "libs/xmpp/stanza.h"

namespace parley::router {

// Which client's stanza something comes from, so that its receiver recognises a repeat. Empty: the server's own doing.
struct Origin {
  std::string session;
  std::uint64_t seq = 0;
  bool repeat = false;

  Origin() = default;
  explicit Origin(const link::v1::Envelope& envelope)
      : session(envelope.origin()), seq(envelope.origin_seq()), repeat(envelope.repeat()) {}
  // Of one of several things that come of it and go to the same receiver.
  Origin For(const std::string& which) const {
    Origin one = *this;
    if (!one.session.empty()) one.session.append("/").append(which);
    return one;
  }
  void Mark(link::v1::Envelope& envelope) const {
    envelope.set_origin(session);
    envelope.set_origin_seq(seq);
    envelope.set_repeat(repeat);
  }
};

}  // namespace parley::router

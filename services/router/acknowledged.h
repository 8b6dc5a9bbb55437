#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "parley/session/v1/session.pb.h"

namespace parley::router {

// What the clients of an account's ended sessions had acknowledged, in Redis `parley:k:`: who sends it again after a
// fault does not know that it was taken care of. Of the latest sessions.
class Acknowledged {
 public:
  explicit Acknowledged(std::size_t most) : most_(most) {}

  // Of one session.
  void Add(session::v1::Acknowledged end);
  // Never of what has no number.
  bool Has(const link::v1::Envelope& message) const;
  // The same of a copy of what several sessions got.
  bool HasCopy(const link::v1::Envelope& message) const;

 private:
  bool HasNumber(std::uint64_t origin, std::uint64_t number) const;

  const std::size_t most_;
  std::deque<session::v1::Acknowledged> ends_;  // the last is the latest
};

}  // namespace parley::router

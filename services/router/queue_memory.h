#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "libs/session/queue.h"

namespace parley::router {

// By what a stanza that is delivered again is recognised. 0: by nothing.
std::uint64_t IdentityOf(const link::v1::Envelope& envelope);

// Which stanzas a session's queue holds, or held lately: what is delivered again after a fault is recognised by it.
class QueueMemory {
 public:
  explicit QueueMemory(const session::QueueContents& contents);
  // Never of what has no identity: the server's own, if it answers nothing. What was stored may be older than what its
  // origin has sent since: only exact numbers count then. Of other messages and requests they count as far as known.
  bool Has(const link::v1::Envelope& envelope) const;
  // It is in the queue itself: by its exact number, or that with which it came first to another session, which left it.
  bool Holds(const link::v1::Envelope& envelope) const;
  void Add(const link::v1::Envelope& envelope);
  // How much the queue holds, as far as we know.
  std::size_t stanzas() const { return count_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::unordered_set<std::uint64_t> stanzas_;
  std::unordered_map<std::uint64_t, session::v1::Seen> acknowledged_;  // by origin (session::Mark)
};

}  // namespace parley::router

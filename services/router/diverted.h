#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "parley/link/v1/link.pb.h"

namespace parley::router {

// The latest messages for resources that were not bound, which went to other sessions of their account instead
// (RFC 6121 8.5.3.2.1), while one router has the account in memory. Whoever sends one again after a fault may find the
// resource bound meanwhile: it is no new message for that.
class Diverted {
 public:
  // Forgets the oldest beyond `most`. Nothing is known of what has no identity (IdentityOf).
  void Note(const link::v1::Envelope& envelope, std::vector<std::string> sessions, std::size_t most);
  // The sessions that it went to; none, as far as we know.
  std::vector<std::string> Sessions(const link::v1::Envelope& envelope) const;

 private:
  struct Message {
    std::uint64_t identity;
    std::vector<std::string> sessions;
  };
  std::deque<Message> latest_;
};

}  // namespace parley::router

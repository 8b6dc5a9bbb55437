#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/xmpp/stanza.h"
#include "parley/session/v1/session.pb.h"

namespace parley::c2s {

// What a client last said of its presence, and to whom in particular (RFC 6121 4.6): what the router has to know again
// when Redis lost it.
class Availability {
 public:
  // The client says `presence`. `max_directed`: as the router limits them.
  void Note(const xmpp::Envelope& presence, std::uint32_t max_directed);
  // The router took its stanza `seq`.
  void OnSettled(std::uint64_t seq);
  // The router answered the stanza `seq` with `error`: it was not said.
  void OnRefused(std::uint64_t seq, const xmpp::Envelope& error);

  void Adopt(const session::v1::Record& record);
  void Fill(session::v1::Record& record) const;
  // Whether the broadcast with this number is the last one.
  bool IsLatest(std::uint64_t seq) const { return seq == latest_; }

 private:
  struct Broadcast {
    std::uint64_t seq;
    std::string stanza;  // empty: unavailable
  };
  void Direct(const std::string& to, std::uint32_t max_directed);
  void Forget(const std::string& to);

  std::string presence_;            // the last that the router took; empty: not available
  std::uint64_t taken_ = 0;         // its number
  std::uint64_t latest_ = 0;        // of the last broadcast
  std::vector<Broadcast> pending_;  // that the router has not judged yet
  std::vector<std::string> directed_;
};

}  // namespace parley::c2s

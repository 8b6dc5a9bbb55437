#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "libs/rpc/link.h"
#include "libs/rpc/link_meter.h"

namespace parley::rpc {

// The failures of requests that the peer has not refused itself; see also kLinkBroken.
inline constexpr char kNoReply[] = "no reply in time";
inline constexpr char kTooManyAsks[] = "too many requests wait for this peer";  // it did not go

// Requests that went to the peer and wait for their replies.
class Asks {
 public:
  Asks(Loop& loop, std::uint32_t max, LinkMeter& meter) : loop_(loop), max_(max), meter_(meter) {}

  // The request to send, or nothing (id 0) if there are too many; `done` is called then, later.
  link::v1::Request Add(std::string body, std::chrono::milliseconds timeout, Link::Done done);
  // False: unknown, perhaps timed out.
  bool Answer(link::v1::Reply& reply);
  // Still.
  bool Awaits(std::uint64_t id) const { return waiting_.contains(id); }
  // All, in the order asked.
  void FailAll(const Error& error);
  // The same, from the loop: the caller is in the middle of something.
  void FailAllLater(const Error& error);
  std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Link::Done done;
    std::chrono::steady_clock::time_point since;
    Loop::Timer timer;
  };
  std::vector<Waiting> TakeAll();

  Loop& loop_;
  const std::uint32_t max_;
  LinkMeter& meter_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
};

}  // namespace parley::rpc

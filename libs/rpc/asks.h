#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "libs/rpc/link.h"

namespace parley::rpc {

// Requests that went to the peer and wait for their replies.
class Asks {
 public:
  Asks(Loop& loop, std::uint32_t max) : loop_(loop), max_(max) {}

  // The request to send, or nothing (id 0) if there are too many; `done` is called then, later.
  link::v1::Request Add(std::string body, std::chrono::milliseconds timeout, Link::Done done);
  // False: unknown, perhaps timed out.
  bool Answer(link::v1::Reply& reply);
  void FailAll(const Error& error);
  std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Link::Done done;
    Loop::Timer timer;
  };

  Loop& loop_;
  const std::uint32_t max_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
};

}  // namespace parley::rpc

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/loop.h"
#include "libs/base/result.h"

namespace parley::storage {

// Looks a host's addresses up beside the loop, as that may block for long. Loop's thread only; nothing is told once it
// is destroyed.
class Resolution {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
  using Done = std::function<void(Result<Endpoints>)>;

  // `host` is a name or an address. `done` comes later, on the loop.
  Resolution(Loop& loop, const std::string& host, int port, Done done);
  ~Resolution();
  Resolution(const Resolution&) = delete;
  Resolution& operator=(const Resolution&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::storage

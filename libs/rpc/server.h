#pragma once

#include <memory>
#include <string>

#include "libs/rpc/link.h"
#include "libs/rpc/methods.h"

namespace parley::rpc {

// A gRPC server of one process: the Link service, and methods beside it.
class Server {
 public:
  // `listen`: "host:port"; port 0 takes a free one. Throws std::runtime_error if it cannot listen.
  // `handler` may be null if the process accepts no links.
  Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, Methods methods, LinkHandler* handler);
  ~Server();
  int port() const;
  // Tells all peers by new links: the present ones are closed, and who dialled them gets back what was not
  // acknowledged.
  void Announce(Standing standing);
  // Tells all peers that we are about to stop.
  void AnnounceDraining();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::rpc

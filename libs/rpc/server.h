#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/rpc/link.h"
#include "libs/rpc/methods.h"

namespace parley::rpc {

// A gRPC server of one process: the Link service, and methods beside it.
class Server {
 public:
  // `listen`: "host:port"; port 0 takes a free one. Throws std::runtime_error if it cannot listen.
  // `handler` may be null if the process accepts no links. `standing`: what peers are told until Announce() or Join().
  Server(Loop& loop, Self self, const std::string& listen, LinkOptions options, Methods methods, LinkHandler* handler,
         Standing standing = Standing::kServing);
  ~Server();
  int port() const;
  // Tells all peers by new links: the present ones are closed, and who dialled them gets back what was not
  // acknowledged.
  void Announce(Standing standing);
  // We were away, or have started, and serve. By a changeover (link.proto): `joined` is called, later, when all that
  // are linked have yielded, at most after `link.settle_timeout`, just as they hear that they may go on. Never if
  // Announce() or AnnounceDraining() comes first.
  void Join(std::function<void()> joined);
  // Tells all peers that we are about to stop. `gone` is called when all have yielded, as above.
  void AnnounceDraining(std::function<void()> gone = {});
  // An instance has a link to us.
  bool linked(const std::string& service, const std::string& instance) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace parley::rpc

#pragma once

#include <string>

#include "libs/base/loop.h"
#include "libs/rpc/link.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

// Dials a link: one gRPC call on an HTTP/2 connection of its own, by nghttp2 on the loop. gRPC's library costs a wake-up
// of its own thread for each frame that comes, and another at the peer, which it tells of new window at each frame;
// that is most of what a stanza costs that comes alone.
// The transport keeps itself until OnBroken or Detach. Loop's thread only.
Transport& DialHttp2(Loop& loop, TransportEvents& events, const LinkOptions& options, const std::string& address,
                     const std::string& service);

}  // namespace parley::rpc

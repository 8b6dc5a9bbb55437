#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/base/loop.h"
#include "libs/rpc/byte_stream.h"
#include "libs/rpc/dial_identity.h"
#include "libs/rpc/http2_metrics.h"
#include "libs/rpc/link.h"
#include "libs/rpc/pipe.h"

namespace parley::rpc {

// One HTTP/2 connection (RFC 9113) with gRPC calls on it, by nghttp2 on the loop. The library of gRPC itself has
// threads of its own: each frame that comes wakes one, and its peer, which it tells of new window at each frame, wakes
// another; that was most of what a stanza cost that comes alone. On the wire it is the same. Loop's thread only.
class Http2 {
 public:
  struct Options {
    // Made once for many connections: it looks up its metrics.
    explicit Options(const LinkOptions& options)
        : hello_timeout(options.hello_timeout),
          keepalive(options.keepalive),
          keepalive_timeout(options.keepalive_timeout),
          max_calls(options.max_calls),
          max_header_bytes(options.max_header_bytes),
          max_message_bytes(options.max_message_bytes),
          max_unread_bytes(options.max_unread_bytes),
          receive_window(options.receive_window),
          metrics(std::make_shared<const Http2Metrics>(options.metrics)) {}
    std::chrono::milliseconds hello_timeout;  // TCP, TLS and the peer's settings
    std::chrono::milliseconds keepalive;      // a peer that is silent for so long is pinged
    std::chrono::milliseconds keepalive_timeout;
    std::uint32_t max_calls;
    std::uint32_t max_header_bytes;
    std::uint32_t max_message_bytes;
    std::uint64_t max_unread_bytes;
    std::uint32_t receive_window;
    std::shared_ptr<const Http2Metrics> metrics;
  };
  // A call that came.
  struct Request {
    std::string method;  // "/package.Service/Method"
    std::string authorization;
    std::string address;      // of the caller
    const PeerNames* caller;  // nullptr: in the clear
  };
  // Gives the stream a user, or none if there is no such method; or finishes it.
  using OnCall = std::function<void(const Request&, ByteStream&)>;
  using Closed = std::function<void(const std::string& problem)>;

  // Dials "ip:port".
  static std::shared_ptr<Http2> Dial(Loop& loop, const std::string& address, const DialIdentity& identity,
                                     const Options& options);
  // Takes the socket. `tls`: nullptr for none. `closed` comes once, last, unless it is closed before; with the reason
  // if it never came to HTTP/2.
  static std::shared_ptr<Http2> Accept(Loop& loop, int fd, std::shared_ptr<const PipeTls> tls, const Options& options,
                                       OnCall on_call, Closed closed);

  virtual ~Http2() = default;
  // Makes a call. Give it a user at once. The connection lives at least as long as its calls; OnBroken also says that
  // it could not connect, with kUnavailable and "failed to connect: ...".
  virtual ByteStream& Call(const std::string& method) = 0;
  // It takes no more calls: it is gone, or the peer wants it to go.
  virtual bool closing() const = 0;
  // At once, with all calls; nothing more is told.
  virtual void Close() = 0;
};

}  // namespace parley::rpc

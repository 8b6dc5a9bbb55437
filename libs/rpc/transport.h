#pragma once

#include <cstddef>
#include <string>

#include "parley/link/v1/link.pb.h"

namespace parley::rpc {

inline constexpr char kExchangeMethod[] = "/parley.link.v1.Link/Exchange";

// What a link's protocol needs of the stream below it.
class Transport {
 public:
  // Serialises before it returns. Not again before OnWritten.
  virtual void Write(const link::v1::Frame& frame) = 0;
  // Ends the stream after what was written. OnBroken follows, later.
  virtual void Finish() = 0;
  // Ends it at once. OnBroken follows, later.
  virtual void Abort(const std::string& reason) = 0;
  // Like Abort, but nothing more is told, and the transport may be gone afterwards.
  virtual void Detach() = 0;

 protected:
  ~Transport() = default;
};

class TransportEvents {
 public:
  virtual void OnOpen(const std::string& remote_address) = 0;
  // `bytes`: its size on the wire.
  virtual void OnFrame(link::v1::Frame& frame, std::size_t bytes) = 0;
  // What came is no Frame, or none that is read.
  virtual void OnGarbage(const std::string& reason) = 0;
  virtual void OnWritten() = 0;
  // Last: the transport is gone when it returns.
  virtual void OnBroken(const std::string& reason) = 0;

 protected:
  ~TransportEvents() = default;
};

}  // namespace parley::rpc

#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/loop.h"
#include "libs/rpc/dial_identity.h"

namespace parley::rpc {

// A connection that this process makes to another of the cluster: TCP, or TLS 1.3 over it, with ALPN "h2" and the
// certificates of both sides checked. Loop's thread only. No call of the owner comes from inside a method of this class,
// and none after its destructor, which ends the connection at once.
class Pipe {
 public:
  class Owner {
   public:
    virtual void OnConnected() = 0;
    virtual void OnBytes(std::string_view bytes) = 0;  // valid during the call
    // All that was written is with the kernel.
    virtual void OnDrained() = 0;
    // Once, last: it could not connect, or is gone.
    virtual void OnClosed(const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  // Dials "ip:port" within `timeout`.
  Pipe(Loop& loop, Owner& owner, const std::string& address, const DialIdentity& identity,
       std::chrono::milliseconds timeout);
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // Leaves with what else is written in this turn.
  void Write(std::string_view bytes);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::rpc

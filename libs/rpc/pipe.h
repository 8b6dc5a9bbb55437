#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/loop.h"
#include "libs/rpc/identity_files.h"

namespace parley::rpc {

// What the peer's certificate calls it.
struct PeerNames {
  std::vector<std::string> dns;
  std::string common;
};

// What TLS needs of one end, made from its files once for many connections: TLS 1.2 or newer, ALPN "h2", and the
// certificates of both sides are checked.
class PipeTls {
 public:
  // Throw std::runtime_error.
  static std::shared_ptr<const PipeTls> ToDial(const IdentityFiles::Pem& files);
  static std::shared_ptr<const PipeTls> ToAccept(const IdentityFiles::Pem& files);
  virtual ~PipeTls() = default;
};

// A connection between two processes of the cluster: TCP, or TLS over it. Loop's thread only. No call of the owner
// comes from inside a method of this class, and none after its destructor, which ends the connection at once.
class Pipe {
 public:
  class Owner {
   public:
    virtual void OnConnected() = 0;
    virtual void OnBytes(std::string_view bytes) = 0;  // valid during the call
    // Nothing more has come by now, and the peer is there.
    virtual void OnPause() = 0;
    // All that was written is with the kernel.
    virtual void OnDrained() = 0;
    // Once, last: it could not connect, or is gone.
    virtual void OnClosed(const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  // Dials "ip:port". `tls`: nullptr for none. How long that may take, and TLS, is the owner's business.
  Pipe(Loop& loop, Owner& owner, const std::string& address, std::shared_ptr<const PipeTls> tls,
       const std::string& peer_name);
  // Takes a socket that was accepted.
  Pipe(Loop& loop, Owner& owner, int fd, std::shared_ptr<const PipeTls> tls);
  ~Pipe();
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // Leaves with what else is written in this turn.
  void Write(std::string_view bytes);
  // Something that was written is not with the kernel yet, and what is written now waits for it.
  bool busy() const;
  const std::string& address() const;  // of the peer, "ip:port"
  const PeerNames* peer() const;       // nullptr: in the clear

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::rpc

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/loop.h"
#include "libs/net/tls.h"

namespace parley::net {

// One TCP connection, plain or TLS: OpenSSL on the descriptor itself under Asio's readiness (design: 14 KiB per idle
// TLS connection instead of 76). A single-threaded object; everything on the loop's thread. The reader gets bytes in a
// buffer shared by all connections of the loop; nothing is held while the connection is idle.
//
// All callbacks come from the loop, never from inside a method of this class. The owner may destroy the connection at
// any time, also inside any of its callbacks (that ends it at once and silently: no OnClosed, no close_notify).
class Connection {
 public:
  class Reader {
   public:
    // Decrypted bytes; valid during the call. Take them all, or pause and keep what is left. None come after Close().
    virtual void OnBytes(std::string_view bytes) = 0;
    // The TLS handshake is done.
    virtual void OnSecured() = 0;
    // Everything written so far is with the kernel, after queued() was above zero.
    virtual void OnDrained() = 0;
    // The connection is gone, for this reason: "closed", "reset", "aborted", "tls: ...", "timeout" or the text of an
    // errno. Called once.
    virtual void OnClosed(std::string_view reason) = 0;

   protected:
    ~Reader() = default;
  };

  // Takes the descriptor. `reader` outlives the connection. `address`: of the peer, where that is not the socket's, as
  // behind a proxy.
  Connection(Loop& loop, int fd, Reader& reader);
  Connection(Loop& loop, int fd, Reader& reader, std::string address);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Server handshake, after what is queued has left in plain. What the peer sent before is part of the handshake: a
  // caller that has read more than its own negotiation must refuse instead (STARTTLS injection). Before any byte was
  // read it is direct TLS, where ALPN must name us (XEP-0368). `contexts` outlives the handshake. `expected_host`
  // serves clients without SNI.
  void StartTls(const TlsContexts& contexts, std::string_view expected_host);
  // Gathers until the end of the loop turn, then writes as much as the kernel takes; the rest waits for readiness.
  void Write(std::string_view bytes);
  std::size_t queued() const;
  // Stop and go on reading: the client is slowed down by TCP. A connection that is reset or times out meanwhile is gone
  // at once, with what it had sent; a peer that only ended its side is heard to the end, later.
  void PauseReading();
  void ResumeReading();
  // Whether the peer has ended its side; asks the kernel, so that it can be told while nothing is read.
  bool PeerEnded() const;
  // Writes what is queued, sends close_notify and FIN, waits for the peer's FIN, then OnClosed; at most `linger`.
  void Close(Loop::Duration linger);
  // At once, with a reset: what is queued is lost. OnClosed("aborted") follows.
  void Abort();

  bool secure() const;
  std::string address() const;      // "192.0.2.1" or "2001:db8::1"
  const TlsInfo* tls() const;       // nullptr while plain
  std::string TlsExporter() const;  // RFC 9266; empty: there is none
  // Authentication is over: nobody asks for tls() and TlsExporter() any more. Frees what they tell, half a KiB, and
  // what OpenSSL holds of a connection with TLS 1.3, 14 KiB (TlsOptions::release, TlsRecords).
  void ReleaseTls();
  // That is done: it is not between two records of OpenSSL's, nor with TLS 1.2.
  bool tls_released() const;
  // On the wire, with TLS framing.
  std::uint64_t bytes_in() const;
  std::uint64_t bytes_out() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

struct ListenOptions {
  // Of the connections: a peer whose TCP does not answer for so long is gone, whether something waits to be sent
  // (TCP_USER_TIMEOUT) or not (keepalive).
  std::chrono::milliseconds tcp_timeout{180000};
  int accept_batch = 16;  // then those already connected get their turn: a handshake costs as much as a hundred stanzas
};

// Accepts connections on one address; pauses when the process runs out of descriptors.
class Listener {
 public:
  // `listen`: "192.0.2.1:5222", "name:5222", "[::]:5222" (IPv6 only) or "*:5222" (both); port 0 takes a free one.
  // Throws std::runtime_error naming the address if it cannot listen. `accepted` owns the descriptor (non-blocking).
  Listener(Loop& loop, const std::string& listen, std::function<void(int fd, std::string address)> accepted,
           const ListenOptions& options = {});
  ~Listener();
  int port() const;
  // Also safe inside `accepted`.
  void Stop();
  // Connections closed unserved because no descriptor was left.
  std::uint64_t refused() const;
  // Times that a batch was full and more were waiting, perhaps.
  std::uint64_t full_batches() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::net

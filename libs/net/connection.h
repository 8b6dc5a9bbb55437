#pragma once

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
class Connection {
 public:
  class Reader {
   public:
    // Decrypted bytes; valid during the call. Take them all, or pause and keep what is left.
    virtual void OnBytes(std::string_view bytes) = 0;
    // The TLS handshake is done.
    virtual void OnSecured() = 0;
    // Everything written so far is with the kernel, after queued() was above zero.
    virtual void OnDrained() = 0;
    // The connection is gone, for this reason: "closed", "reset", "tls: ...", "timeout". Called once, never from inside
    // Write().
    virtual void OnClosed(std::string_view reason) = 0;

   protected:
    ~Reader() = default;
  };

  // Takes the descriptor. `reader` outlives the connection.
  Connection(Loop& loop, int fd, Reader& reader);
  ~Connection();

  void Start();
  // Server handshake. `initial`: bytes already read (direct TLS: none; STARTTLS: must be none, else the caller
  // refuses).
  void StartTls(const TlsContexts& contexts, std::string_view expected_host);
  // Gathers until the end of the loop turn, then writes as much as the kernel takes; the rest waits for readiness.
  void Write(std::string_view bytes);
  std::size_t queued() const;
  // Stop and go on reading: the client is slowed down by TCP.
  void PauseReading();
  void ResumeReading();
  // Writes what is queued, sends close_notify and FIN, then OnClosed; at most `linger`.
  void Close(Loop::Duration linger);
  // At once.
  void Abort();

  bool secure() const;
  std::string address() const;  // "192.0.2.1" or "2001:db8::1"
  const TlsInfo* tls() const;   // nullptr while plain
  std::uint64_t bytes_in() const;
  std::uint64_t bytes_out() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Accepts connections on one address; pauses when the process runs out of descriptors.
class Listener {
 public:
  // Throws std::runtime_error naming the address if it cannot listen.
  Listener(Loop& loop, const std::string& listen, std::function<void(int fd, std::string address)> accepted);
  ~Listener();
  int port() const;
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace parley::net

#pragma once

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/generator/loop.h"

namespace parley::bench {

// A server's address, and the TLS session to resume there.
struct Server {
  std::string name;  // "127.0.0.1:5222"
  sockaddr_storage address{};
  socklen_t address_size = 0;
  SSL_SESSION* session = nullptr;
};
// "HOST:PORT"; throws.
Server ResolveServer(const std::string& name);
// Of IPv4: it can be reached from every address 127.0.0.N, others from none of them.
bool OnLoopback(const Server& server);

// What all connections of the process share.
class Tls {
 public:
  // `ca_file` empty: certificates are not verified. `resume`: with tickets that servers gave before.
  enum class Resumption { kOff, kOn };
  Tls(const std::string& ca_file, Resumption resumption);
  ~Tls();
  SSL* NewSession(int fd, Server& server, const std::string& domain);
  // Counts a handshake that is done.
  static void Count(SSL* ssl);
  std::uint64_t resumed() const { return resumed_; }

 private:
  static int KeepSession(SSL* ssl, SSL_SESSION* session);
  SSL_CTX* context_;
  const Resumption resumption_;
  std::uint64_t resumed_ = 0;
};

// A TCP connection, with TLS from when it is asked for. Output gathers until the end of the loop's turn.
class Connection : public Loop::Handler {
 public:
  class Owner {
   public:
    virtual void OnConnected() = 0;
    virtual void OnSecured() = 0;
    virtual void OnBytes(std::string_view bytes) = 0;
    // By the peer or by an error; not by Drop().
    virtual void OnClosed(std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  // Connections of a process that have something to write this turn.
  class Flusher {
   public:
    void Add(Connection& connection) { waiting_.push_back(&connection); }
    void FlushAll();

   private:
    std::vector<Connection*> waiting_;
  };

  Connection(Loop& loop, Flusher& flusher, Owner& owner) : loop_(loop), flusher_(flusher), owner_(owner) {}
  ~Connection() { Drop(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // To a server on loopback from 127.0.0.`source`; 0, or to another: from any.
  void Connect(const Server& server, int source);
  // One that was accepted.
  void Adopt(int fd);
  void StartTls(Tls& tls, Server& server, const std::string& domain);
  // Takes `ssl`, which knows the descriptor and its own role.
  void StartTls(SSL* ssl);
  void Write(std::string_view bytes);
  // At once, without a word.
  void Drop();
  bool open() const { return fd_ >= 0; }
  bool secure() const { return ssl_ != nullptr; }

 private:
  enum class State : std::uint8_t { kIdle, kConnecting, kPlain, kHandshake, kTls };
  void OnEvents(std::uint32_t events) override;
  void OnConnectDone();
  void Handshake();
  void Read();
  void Flush();
  int Receive(char* to, int size);
  int Send(std::string_view bytes);
  void WantWrite(bool wanted);
  void Fail(std::string_view why);
  void FailTls(const char* what);

  Loop& loop_;
  Flusher& flusher_;
  Owner& owner_;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  State state_ = State::kIdle;
  bool dirty_ = false;
  bool want_write_ = false;
  std::string out_;
};

}  // namespace parley::bench

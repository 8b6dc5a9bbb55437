#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/storage/redis.h"
#include "tests/support/child_process.h"

namespace parley::test {

// A private redis-server, listening on a unix socket and a free TCP port. Without persistence unless `arguments` say
// so.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> arguments = {});
  ~RedisServer();

  // Ends it in good order, or as a crash. Start() again has what was persistent.
  void Stop();
  void Kill();
  void Start();
  // SIGSTOP and SIGCONT.
  void Pause();
  void Resume();

  // As another client would, without waiting for anything but the reply, which comes as text; an array's items are
  // joined by spaces.
  std::string Call(const std::vector<std::string>& words) const;

  const std::string& socket() const { return socket_; }
  int port() const { return port_; }
  storage::RedisOptions options() const;      // by the unix socket
  storage::RedisOptions tcp_options() const;  // by TCP

 private:
  TemporaryDirectory directory_;
  std::vector<std::string> arguments_;
  std::string socket_;
  std::string log_;
  int port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

// A TCP port that was free a moment ago.
int FreePort();

}  // namespace parley::test

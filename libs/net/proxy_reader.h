#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "libs/base/loop.h"

namespace parley::net {

// Waits for the headers of the PROXY protocol on new connections. What follows a header stays unread. Loop's thread
// only.
class ProxyReader {
 public:
  struct Options {
    std::chrono::milliseconds timeout{5000};
    std::size_t max_bytes = 4096;
  };
  enum class Outcome {
    kClient,      // `text` is the client's address
    kProxy,       // the proxy speaks for itself
    kMalformed,   // `text` says what is wrong
    kTimeout,     // the header did not come in time
    kIncomplete,  // the peer went away before
  };
  // `fd` is the receiver's, also after a failure. Never called from inside Read().
  using Done = std::function<void(int fd, Outcome outcome, const std::string& text)>;

  ProxyReader(Loop& loop, const Options& options) : loop_(loop), options_(options) {}
  ~ProxyReader() { Stop(); }
  ProxyReader(const ProxyReader&) = delete;
  ProxyReader& operator=(const ProxyReader&) = delete;

  // Takes the descriptor.
  void Read(int fd, Done done);
  std::size_t waiting() const { return pending_.size(); }
  // Closes what is waiting.
  void Stop();

 private:
  struct Pending;

  Loop& loop_;
  const Options options_;
  std::set<std::shared_ptr<Pending>> pending_;
};

}  // namespace parley::net

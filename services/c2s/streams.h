#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/c2s/context.h"

namespace parley::c2s {

class Stream;

// All streams of this edge.
class Streams {
 public:
  enum class Kind { kStartTls, kDirectTls };

  explicit Streams(Loop& loop);
  ~Streams();

  void Open(Context& context, int fd, const std::string& address, Kind kind);
  // Destroyed when the current call has returned to the loop.
  void Remove(Stream& stream);
  // Keeps something that may be the caller's caller until then.
  void Retire(std::shared_ptr<void> retired);
  // Calls its Resume() in the next turn: whoever releases a stream may be in the middle of something.
  void ResumeSoon(std::shared_ptr<Stream> stream);

  std::size_t size() const { return streams_.size(); }
  // Some of them, at most `count`: for ending all in steps.
  std::vector<std::shared_ptr<Stream>> Some(std::size_t count, const std::function<bool(Stream&)>& which) const;
  std::size_t queued_bytes() const;
  // How many have no part of OpenSSL's any more (net::Connection::ReleaseTls).
  std::size_t tls_released() const;

 private:
  void ResumeAll();

  Loop& loop_;
  std::unordered_map<Stream*, std::shared_ptr<Stream>> streams_;
  std::vector<std::shared_ptr<Stream>> resuming_;
  std::vector<std::shared_ptr<void>> retired_;
};

}  // namespace parley::c2s

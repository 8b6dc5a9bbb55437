#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace parley::net {

// Non-blocking reads and writes on a connected descriptor that somebody else owns. Remembers a short read or write,
// which says that the next one would only fail with EAGAIN, and saves that system call until readiness is reported.
class Socket {
 public:
  enum class Status { kDone, kBlocked, kEnd, kFailed };
  // kWithNext: may wait for what is sent next, 200 ms at most (tcp(7), TCP_CORK).
  enum class Push { kNow, kWithNext };

  explicit Socket(int fd) : fd_(fd) {}

  // kDone: `moved` bytes, at least one.
  Status Receive(char* to, std::size_t size, std::size_t& moved);
  Status Send(const char* from, std::size_t size, std::size_t& moved, Push push = Push::kNow);
  void SendEnd();
  // Reset or timed out, though nothing was read or written; failure() tells why.
  bool Lost();
  // The peer has ended its side, though not all that it sent before was read.
  bool PeerEnded() const;

  void SetReadable() { drained_ = false; }
  void SetWritable() { full_ = false; }
  bool drained() const { return drained_; }
  bool ended() const { return ended_; }
  bool failed() const { return error_ != 0; }
  // After kFailed: "reset", "timeout" or the text of errno.
  std::string failure() const;

  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }

 private:
  int fd_;
  int error_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  bool drained_ = true;  // until the first report of readiness
  bool full_ = false;
  bool ended_ = false;
};

}  // namespace parley::net

#include "libs/net/socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace parley::net {

Socket::Status Socket::Receive(char* to, std::size_t size, std::size_t& moved) {
  moved = 0;
  if (ended_) return Status::kEnd;
  if (error_ != 0) return Status::kFailed;
  if (drained_) return Status::kBlocked;
  ssize_t result;
  do {
    result = ::recv(fd_, to, size, 0);
  } while (result < 0 && errno == EINTR);
  if (result > 0) {
    moved = static_cast<std::size_t>(result);
    bytes_in_ += moved;
    drained_ = moved < size;
    return Status::kDone;
  }
  drained_ = true;
  if (result == 0) {
    ended_ = true;
    return Status::kEnd;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Status::kBlocked;
  error_ = errno;
  return Status::kFailed;
}

Socket::Status Socket::Send(const char* from, std::size_t size, std::size_t& moved, Push push) {
  moved = 0;
  if (error_ != 0) return Status::kFailed;
  if (full_) return Status::kBlocked;
  const int flags = MSG_NOSIGNAL | (push == Push::kWithNext ? MSG_MORE : 0);
  ssize_t result;
  do {
    result = ::send(fd_, from, size, flags);
  } while (result < 0 && errno == EINTR);
  if (result >= 0) {
    moved = static_cast<std::size_t>(result);
    bytes_out_ += moved;
    full_ = moved < size;
    return moved > 0 ? Status::kDone : Status::kBlocked;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    full_ = true;
    return Status::kBlocked;
  }
  error_ = errno;
  return Status::kFailed;
}

bool Socket::Lost() {
  pollfd state{.fd = fd_, .events = 0, .revents = 0};
  if (::poll(&state, 1, 0) != 1) return false;
  socklen_t size = sizeof error_;
  if (error_ == 0) ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error_, &size);
  if (error_ == 0) error_ = ECONNRESET;  // hung up both ways
  return true;
}

bool Socket::PeerEnded() const {
  pollfd state{.fd = fd_, .events = POLLRDHUP, .revents = 0};
  return ended_ || ::poll(&state, 1, 0) == 1;
}

void Socket::SendEnd() { ::shutdown(fd_, SHUT_WR); }

std::string Socket::failure() const {
  switch (error_) {
    case ECONNRESET:
    case EPIPE:
      return "reset";
    case ETIMEDOUT:
      return "timeout";
    default:
      return std::strerror(error_);
  }
}

}  // namespace parley::net

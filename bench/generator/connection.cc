#include "bench/generator/connection.h"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace parley::bench {
namespace {

constexpr int kReadSize = 32768;
char g_read_buffer[kReadSize];  // one thread, one reader at a time

sockaddr_in Loopback(int number) {
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000000u + static_cast<unsigned>(number));
  return source;
}

}  // namespace

bool OnLoopback(const Server& server) {
  if (server.address.ss_family != AF_INET) return false;
  const auto& address = reinterpret_cast<const sockaddr_in&>(server.address);
  return ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

void Connection::Flusher::FlushAll() {
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    waiting_[i]->dirty_ = false;
    waiting_[i]->Flush();
  }
  waiting_.clear();
}

void Connection::Connect(const Server& server, int source) {
  fd_ = socket(server.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (source > 0 && OnLoopback(server)) {
    // The port is chosen at connect(): 28,000 per pair of addresses, not per source address.
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const sockaddr_in from = Loopback(source);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return Fail("bind failed");
  }
  state_ = State::kConnecting;
  want_write_ = true;
  loop_.Watch(fd_, *this, EPOLLIN | EPOLLOUT);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&server.address), server.address_size) != 0 &&
      errno != EINPROGRESS) {
    Fail(std::strerror(errno));
  }
}

void Connection::Adopt(int fd) {
  fd_ = fd;
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  state_ = State::kPlain;
  loop_.Watch(fd_, *this, EPOLLIN);
}

void Connection::StartTls(Tls& tls, Server& server, const std::string& domain) {
  StartTls(tls.NewSession(fd_, server, domain));
}

void Connection::StartTls(SSL* ssl) {
  ssl_ = ssl;
  state_ = State::kHandshake;
  Handshake();
}

void Connection::Write(std::string_view bytes) {
  out_.append(bytes);
  if (!std::exchange(dirty_, true)) flusher_.Add(*this);
}

void Connection::Drop() {
  if (ssl_ != nullptr) {
    // Without this the session that we got could not be resumed: freeing an open SSL marks it bad.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(std::exchange(ssl_, nullptr));
  }
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  state_ = State::kIdle;
  want_write_ = false;
  out_.clear();
  out_.shrink_to_fit();
}

void Connection::OnEvents(std::uint32_t events) {
  switch (state_) {
    case State::kIdle:
      return;
    case State::kConnecting:
      return OnConnectDone();
    case State::kHandshake:
      return Handshake();
    case State::kPlain:
    case State::kTls:
      if ((events & EPOLLOUT) != 0) Flush();
      if ((events & ~EPOLLOUT) != 0 && open()) Read();
  }
}

void Connection::OnConnectDone() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Fail(std::strerror(error));
  state_ = State::kPlain;
  WantWrite(false);
  owner_.OnConnected();
}

void Connection::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    state_ = State::kTls;
    Tls::Count(ssl_);
    WantWrite(false);
    owner_.OnSecured();
    // What came with the end of the handshake is in OpenSSL, of which epoll knows nothing.
    if (state_ == State::kTls && SSL_has_pending(ssl_) == 1) Read();
    return;
  }
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ) return WantWrite(false);
  if (error == SSL_ERROR_WANT_WRITE) return WantWrite(true);
  FailTls("TLS handshake");
}

// > 0: bytes; 0: blocked; < 0: it failed, and said so.
int Connection::Receive(char* to, int size) {
  if (ssl_ == nullptr) {
    const auto got = recv(fd_, to, size, 0);
    if (got > 0) return static_cast<int>(got);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    Fail(got == 0 ? "closed by the server" : std::strerror(errno));
    return -1;
  }
  ERR_clear_error();
  const int got = SSL_read(ssl_, to, size);
  if (got > 0) return got;
  const int error = SSL_get_error(ssl_, got);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  if (error == SSL_ERROR_ZERO_RETURN) {
    Fail("closed by the server");
  } else {
    FailTls("TLS");
  }
  return -1;
}

void Connection::Read() {
  const int socket = fd_;
  const SSL* session = ssl_;
  int filled = 0;
  // What came is given in one piece, so that answers to all of it leave together.
  while (filled < kReadSize) {
    const int got = Receive(g_read_buffer + filled, kReadSize - filled);
    if (got < 0) return;
    if (got == 0) break;
    filled += got;
    if (ssl_ == nullptr) break;  // level-triggered
  }
  if (filled == 0) return;
  owner_.OnBytes({g_read_buffer, static_cast<std::size_t>(filled)});
  // OpenSSL may hold more records, of which epoll knows nothing.
  if (filled == kReadSize && fd_ == socket && ssl_ == session) Read();
}

int Connection::Send(std::string_view bytes) {
  if (ssl_ == nullptr) {
    const auto sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<int>(sent);
    if (errno == EAGAIN || errno == EINTR) return 0;
    Fail(std::strerror(errno));
    return -1;
  }
  ERR_clear_error();
  const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  if (sent > 0) return sent;
  const int error = SSL_get_error(ssl_, sent);
  if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return 0;
  FailTls("TLS");
  return -1;
}

void Connection::Flush() {
  if (state_ != State::kPlain && state_ != State::kTls) return;
  std::size_t done = 0;
  while (done < out_.size()) {
    const int sent = Send(std::string_view(out_).substr(done));
    if (sent < 0) return;
    if (sent == 0) {
      out_.erase(0, done);
      return WantWrite(true);
    }
    done += static_cast<std::size_t>(sent);
  }
  out_.clear();
  if (out_.capacity() > 1024) out_.shrink_to_fit();
  WantWrite(false);
}

void Connection::WantWrite(bool wanted) {
  if (want_write_ == wanted) return;
  want_write_ = wanted;
  loop_.Change(fd_, *this, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Connection::Fail(std::string_view why) {
  const std::string reason(why);
  Drop();
  owner_.OnClosed(reason);
}

}  // namespace parley::bench

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "libs/base/log.h"
#include "libs/net/address.h"
#include "libs/net/connection.h"

namespace parley::net {
namespace {

using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

// No descriptor is left: then others may have been closed.
constexpr std::chrono::milliseconds kPauseWhenExhausted{100};
constexpr std::chrono::seconds kWarnEvery{10};

int OpenReserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

[[noreturn]] void Refuse(const std::string& listen, int fd) {
  const int error = errno;
  if (fd >= 0) ::close(fd);
  std::string remedy;
  if (error == EADDRINUSE) remedy = "; another process listens there";
  if (error == EACCES) remedy = "; ports below 1024 need the capability CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) remedy = "; no interface has this address";
  throw std::runtime_error("cannot listen on \"" + listen + "\": " + std::strerror(error) + remedy);
}

void Set(int fd, int level, int option, long value) {
  const int number = static_cast<int>(value);
  ::setsockopt(fd, level, option, &number, sizeof number);
}

// Connections inherit these. Probes begin when a third of the time is left, and are lost three times.
void SetTimeout(int fd, std::chrono::milliseconds limit) {
  const long seconds = std::max<long>(3, limit.count() / 1000);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds * 2 / 3);
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max<long>(1, seconds / 9));
  Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, limit.count());
}

int Listen(const std::string& listen, std::chrono::milliseconds tcp_timeout) {
  const SocketAddress address = ResolveListen(listen);
  const int fd = ::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) Refuse(listen, fd);
  Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SetTimeout(fd, tcp_timeout);
  if (address.get()->sa_family == AF_INET6) {
    Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, listen.front() == '*' || listen.front() == ':' ? 0 : 1);
  }
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, SOMAXCONN) != 0) Refuse(listen, fd);
  return fd;
}

bool OutOfDescriptors(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

}  // namespace

struct Listener::State : std::enable_shared_from_this<Listener::State> {
  State(Loop& loop_, const std::string& listen, std::function<void(int, std::string)> accepted_,
        const ListenOptions& options_)
      : loop(loop_),
        options(options_),
        descriptor(loop_.io(), Listen(listen, options_.tcp_timeout)),
        accepted(std::move(accepted_)) {
    descriptor.native_non_blocking(true);
    port = LocalOf(descriptor.native_handle()).port();
  }
  ~State() {
    if (reserve >= 0) ::close(reserve);
  }

  void Wait() {
    if (!descriptor.is_open()) return;
    descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->AcceptSome();
    });
  }

  void AcceptSome() {
    int count = 0;
    for (; count < options.accept_batch; ++count) {
      if (!descriptor.is_open()) return;  // stopped by `accepted`
      SocketAddress peer;
      const int fd = AcceptOne(peer);
      if (fd >= 0) {
        accepted(fd, peer.host());
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (OutOfDescriptors(errno)) return PauseExhausted();
      // Otherwise that connection failed before it was taken (accept(2): errors of the network); go on to the next.
    }
    if (count == options.accept_batch) ++full_batches;
    Wait();
  }

  int AcceptOne(SocketAddress& peer) {
    peer.size = sizeof peer.storage;
    return ::accept4(descriptor.native_handle(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
  }

  // The reserve lets us turn one waiting client away, so that those in the backlog learn soon that they must go
  // elsewhere; then descriptors get time to come back.
  void PauseExhausted() {
    const int error = errno;
    if (reserve >= 0) ::close(reserve);
    SocketAddress peer;
    const int fd = AcceptOne(peer);
    if (fd >= 0) {
      ::close(fd);
      ++refused;
    }
    reserve = OpenReserve();
    Warn(error);
    resume = loop.After(kPauseWhenExhausted, [self = weak_from_this()] {
      if (auto state = self.lock()) state->AcceptSome();
    });
  }

  void Warn(int error) {
    const auto now = std::chrono::steady_clock::now();
    if (now - warned < kWarnEvery) return;
    warned = now;
    log::Warn("accept_paused", {{"port", port},
                                {"reason", std::strerror(error)},
                                {"refused", refused},
                                {"remedy", "raise RLIMIT_NOFILE or lower max_connections"}});
  }

  void Stop() {
    resume.Cancel();
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  Loop& loop;
  const ListenOptions options;
  Descriptor descriptor;
  std::function<void(int, std::string)> accepted;
  int port = 0;
  int reserve = OpenReserve();
  std::uint64_t refused = 0;
  std::uint64_t full_batches = 0;
  Loop::Timer resume;
  std::chrono::steady_clock::time_point warned = std::chrono::steady_clock::now() - kWarnEvery;
};

Listener::Listener(Loop& loop, const std::string& listen, std::function<void(int fd, std::string address)> accepted,
                   const ListenOptions& options)
    : state_(std::make_shared<State>(loop, listen, std::move(accepted), options)) {
  state_->Wait();
}
Listener::~Listener() { state_->Stop(); }
int Listener::port() const { return state_->port; }
void Listener::Stop() { state_->Stop(); }
std::uint64_t Listener::refused() const { return state_->refused; }
std::uint64_t Listener::full_batches() const { return state_->full_batches; }

}  // namespace parley::net

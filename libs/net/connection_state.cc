#include "libs/net/connection_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

namespace parley::net {
namespace {

// A stanza is not to wait for the acknowledgement of the last one.
int WithoutDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Connection::State::State(Loop& loop, int fd, Reader& reader, std::string address)
    : loop_(loop),
      turn_(Turn::Of(loop)),
      reader_(&reader),
      descriptor_(loop.io(), WithoutDelay(fd)),
      socket_(fd),
      address_(std::move(address)) {
  descriptor_.native_non_blocking(true);
}

void Connection::State::Start() {
  if (life_ == Life::kOpen && security_ == Security::kPlain) WaitReadable();
}

void Connection::State::StartTls(const TlsContexts& contexts, std::string_view expected_host) {
  if (life_ != Life::kOpen || security_ != Security::kPlain) return;
  const Alpn alpn = socket_.bytes_in() == 0 ? Alpn::kRequired : Alpn::kOptional;
  tls_ = std::make_unique<TlsSession>(socket_, contexts, expected_host, alpn);
  security_ = Security::kFlushingPlain;
  plain_left_ = out_.size();
  FlushLater();
}

void Connection::State::Write(std::string_view bytes) {
  if (life_ != Life::kOpen || bytes.empty()) return;
  out_.Append(bytes, turn_.spare());
  FlushLater();
}

void Connection::State::Pause() {
  paused_ = true;
  if (life_ == Life::kOpen) WaitLost();
}

void Connection::State::Resume() {
  if (!paused_) return;
  paused_ = false;
  // There may be bytes within OpenSSL, of which the kernel knows nothing.
  if (life_ == Life::kOpen && !waiting_read_) ReadLater();
}

void Connection::State::Close(Loop::Duration linger) {
  if (life_ != Life::kOpen) return;
  StartClosing(linger);
  FlushLater();
}

void Connection::State::StartClosing(Loop::Duration linger) {
  life_ = Life::kClosing;
  deadline_ = loop_.After(
      linger, [self = shared_from_this()] { self->Finish(self->life_ == Life::kAwaitingPeer ? "closed" : "timeout"); });
}

void Connection::State::Abort() {
  if (life_ == Life::kGone) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  CloseDescriptor();
  loop_.Post([self = shared_from_this()] { self->Finish("aborted"); });
}

void Connection::State::Detach() {
  reader_ = nullptr;
  if (life_ != Life::kGone) CloseDescriptor();
}

void Connection::State::CloseDescriptor() {
  life_ = Life::kGone;
  deadline_.Cancel();
  boost::system::error_code ignored;
  descriptor_.close(ignored);
  out_.Clear();
}

void Connection::State::Finish(std::string_view reason) {
  if (life_ != Life::kGone) CloseDescriptor();
  if (Reader* reader = std::exchange(reader_, nullptr)) reader->OnClosed(reason);
}

std::string Connection::State::FailureText() const { return tls_ ? tls_->failure() : socket_.failure(); }

void Connection::State::WaitReadable() {
  if (waiting_read_ || life_ == Life::kGone) return;
  waiting_read_ = true;
  descriptor_.async_wait(Descriptor::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    self->waiting_read_ = false;
    if (error || self->life_ == Life::kGone) return;
    self->socket_.SetReadable();
    self->OnReadable();
  });
}

void Connection::State::WaitWritable() {
  if (waiting_write_ || life_ == Life::kGone) return;
  waiting_write_ = true;
  descriptor_.async_wait(Descriptor::wait_write, [self = shared_from_this()](const boost::system::error_code& error) {
    self->waiting_write_ = false;
    if (error || self->life_ == Life::kGone) return;
    self->socket_.SetWritable();
    self->OnWritable();
  });
}

// Goes on when reading does: starting and stopping it would cost more.
void Connection::State::WaitLost() {
  if (waiting_lost_) return;
  waiting_lost_ = true;
  descriptor_.async_wait(Descriptor::wait_error, [self = shared_from_this()](const boost::system::error_code& error) {
    self->waiting_lost_ = false;
    if (error || self->life_ != Life::kOpen || !self->paused_) return;  // whoever reads or writes finds it
    if (self->socket_.Lost()) return self->Finish(self->socket_.failure());
    self->WaitLost();  // urgent data wakes us, too
  });
}

void Connection::State::ReadLater() {
  if (read_posted_) return;
  read_posted_ = true;
  loop_.Post([self = shared_from_this()] {
    self->read_posted_ = false;
    if (self->life_ != Life::kGone) self->OnReadable();
  });
}

void Connection::State::FlushLater() {
  if (flush_posted_) return;
  flush_posted_ = true;
  turn_.Add(loop_, shared_from_this());
}

void Connection::State::OnReadable() {
  if (life_ == Life::kAwaitingPeer) return Discard();
  if (handshaking()) return ContinueHandshake();
  if (std::exchange(write_wants_read_, false)) Flush();
  if (delivering()) ReadBytes();
}

void Connection::State::OnWritable() {
  if (handshaking()) return ContinueHandshake();
  Flush();
  if (std::exchange(read_wants_write_, false) && delivering()) ReadBytes();
}

}  // namespace parley::net

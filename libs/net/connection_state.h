#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "libs/net/connection.h"
#include "libs/net/send_queue.h"
#include "libs/net/socket.h"
#include "libs/net/tls_session.h"
#include "libs/net/turn.h"

namespace parley::net {

// What Connection does. The handlers that wait share it, so that it outlives a Connection destroyed in a callback; it
// then has no reader and every path returns to the loop at once.
class Connection::State final : public Turn::Flushable, public std::enable_shared_from_this<Connection::State> {
 public:
  State(Loop& loop, int fd, Reader& reader, std::string address);

  void Start();
  void StartTls(const TlsContexts& contexts, std::string_view expected_host);
  void Write(std::string_view bytes);
  void Pause();
  void Resume();
  void Close(Loop::Duration linger);
  void Abort();
  // The Connection is destroyed.
  void Detach();
  void Flush() override;

  std::size_t queued() const { return out_.size(); }
  bool secure() const { return security_ == Security::kTls; }
  TlsSession* tls() const { return secure() ? tls_.get() : nullptr; }
  const Socket& socket() const { return socket_; }
  const std::string& address() const { return address_; }

 private:
  enum class Security { kPlain, kFlushingPlain, kHandshake, kTls };
  enum class Life { kOpen, kClosing, kAwaitingPeer, kGone };
  enum class Progress { kDone, kBlocked, kEnd, kFailed };
  using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  // Never between the wish for TLS and its handshake: those bytes would count as protected.
  bool delivering() const {
    return life_ == Life::kOpen && !paused_ && (security_ == Security::kPlain || security_ == Security::kTls);
  }
  bool handshaking() const { return life_ == Life::kOpen && security_ == Security::kHandshake; }
  void WaitReadable();
  void WaitWritable();
  // While nothing is read: a connection that is reset or timed out.
  void WaitLost();
  // Goes on reading in another turn, without waiting for the socket.
  void ReadLater();
  void FlushLater();

  void OnReadable();
  void OnWritable();
  void ReadBytes();
  Progress FillScratch(std::size_t& filled);
  Progress ReadOnce(char* to, std::size_t size, std::size_t& moved);
  bool exhausted() const;
  static Progress ToProgress(TlsSession::Status status);
  void OnPeerEnd();
  void Discard();

  void BeginHandshake();
  void ContinueHandshake();

  Progress Send(std::string_view bytes, std::size_t& moved);
  Progress SendQueued();
  void AfterFlush();
  void SendEnd();
  void StartClosing(Loop::Duration linger);

  std::string FailureText() const;
  void CloseDescriptor();
  void Finish(std::string_view reason);

  Loop& loop_;
  Turn& turn_;
  Reader* reader_;
  Descriptor descriptor_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  SendQueue out_;
  std::size_t plain_left_ = 0;  // of out_, before the handshake begins
  Loop::Timer deadline_;
  std::string address_;
  Security security_ = Security::kPlain;
  Life life_ = Life::kOpen;
  bool paused_ = false;
  bool waiting_read_ = false;
  bool waiting_write_ = false;
  bool waiting_lost_ = false;
  bool read_posted_ = false;
  bool flush_posted_ = false;
  bool read_wants_write_ = false;  // OpenSSL answers a key update first
  bool write_wants_read_ = false;
};

}  // namespace parley::net

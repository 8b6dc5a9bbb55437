// The writing half of Connection, and its end.
#include <utility>

#include "libs/net/connection_state.h"

namespace parley::net {

Connection::State::Progress Connection::State::Send(std::string_view bytes, std::size_t& moved) {
  if (secure()) {
    const auto status = tls_->Write(bytes, moved);
    if (status == TlsSession::Status::kBlockedOnWrite) WaitWritable();
    if (status == TlsSession::Status::kBlockedOnRead) {
      write_wants_read_ = true;
      WaitReadable();
    }
    return ToProgress(status);
  }
  const auto status = socket_.Send(bytes.data(), bytes.size(), moved);
  if (status == Socket::Status::kDone) return Progress::kDone;
  if (status == Socket::Status::kFailed) return Progress::kFailed;
  WaitWritable();
  return Progress::kBlocked;
}

// kDone: nothing is left that may leave in the present state of security.
Connection::State::Progress Connection::State::SendQueued() {
  while (!out_.empty()) {
    std::string_view bytes = out_.front();
    if (security_ == Security::kFlushingPlain) bytes = bytes.substr(0, plain_left_);
    if (security_ == Security::kHandshake || bytes.empty()) return Progress::kDone;
    std::size_t moved = 0;
    const Progress progress = Send(bytes, moved);
    if (progress != Progress::kDone) return progress;
    out_.Consume(moved, turn_.spare());
    if (security_ == Security::kFlushingPlain) plain_left_ -= moved;
  }
  return Progress::kDone;
}

void Connection::State::Flush() {
  flush_posted_ = false;
  if (life_ == Life::kGone || life_ == Life::kAwaitingPeer || waiting_write_) return;
  const bool had_queue = !out_.empty();
  switch (SendQueued()) {
    case Progress::kBlocked:
      return;
    case Progress::kEnd:
    case Progress::kFailed:
      return Finish(FailureText());
    case Progress::kDone:
      break;
  }
  if (had_queue && out_.empty() && life_ == Life::kOpen) reader_->OnDrained();
  AfterFlush();
}

void Connection::State::AfterFlush() {
  if (life_ == Life::kClosing) {
    // Bytes that wait for a handshake cannot leave any more.
    if (out_.empty() || !secure()) SendEnd();
  } else if (life_ == Life::kOpen && security_ == Security::kFlushingPlain) {
    BeginHandshake();
  }
}

void Connection::State::SendEnd() {
  if (secure()) {
    const auto status = tls_->SendCloseNotify();
    if (status == TlsSession::Status::kBlockedOnWrite) return WaitWritable();
  }
  socket_.SendEnd();
  life_ = Life::kAwaitingPeer;
  if (socket_.ended()) return Finish("closed");
  socket_.SetReadable();
  Discard();
}

}  // namespace parley::net

// The reading half of Connection, and its handshake.
#include <utility>

#include "libs/net/connection_state.h"

namespace parley::net {
namespace {

// Then the other connections get their turn.
constexpr int kBuffersPerTurn = 2;
// How long a peer that has ended its side may take to read what is queued for it. No setting: how much that is has one
// (c2s.max_outbound_bytes), and a peer that has said its last gets no more than a few round trips.
constexpr std::chrono::seconds kHalfCloseLinger{5};

}  // namespace

Connection::State::Progress Connection::State::ToProgress(TlsSession::Status status) {
  switch (status) {
    case TlsSession::Status::kDone:
      return Progress::kDone;
    case TlsSession::Status::kBlockedOnRead:
    case TlsSession::Status::kBlockedOnWrite:
      return Progress::kBlocked;
    case TlsSession::Status::kEnd:
      return Progress::kEnd;
    case TlsSession::Status::kFailed:
      return Progress::kFailed;
  }
  return Progress::kFailed;
}

Connection::State::Progress Connection::State::ReadOnce(char* to, std::size_t size, std::size_t& moved) {
  if (!secure()) {
    switch (socket_.Receive(to, size, moved)) {
      case Socket::Status::kDone:
        return Progress::kDone;
      case Socket::Status::kBlocked:
        return Progress::kBlocked;
      case Socket::Status::kEnd:
        return Progress::kEnd;
      case Socket::Status::kFailed:
        return Progress::kFailed;
    }
  }
  const auto status = tls_->Read(to, size, moved);
  if (status == TlsSession::Status::kBlockedOnWrite) {
    read_wants_write_ = true;
    WaitWritable();
  }
  return ToProgress(status);
}

// Another read could only find nothing.
bool Connection::State::exhausted() const { return socket_.drained() && !(secure() && tls_->pending()); }

// kDone: the buffer is full and there may be more.
Connection::State::Progress Connection::State::FillScratch(std::size_t& filled) {
  filled = 0;
  while (filled < Turn::kScratchSize) {
    std::size_t moved = 0;
    const Progress progress = ReadOnce(turn_.scratch() + filled, Turn::kScratchSize - filled, moved);
    if (progress != Progress::kDone) return progress;
    filled += moved;
    if (exhausted()) return Progress::kBlocked;
  }
  return Progress::kDone;
}

void Connection::State::ReadBytes() {
  for (int round = 0; round < kBuffersPerTurn; ++round) {
    std::size_t filled = 0;
    const Progress progress = FillScratch(filled);
    if (filled > 0) reader_->OnBytes(std::string_view(turn_.scratch(), filled));
    if (life_ == Life::kGone || life_ == Life::kAwaitingPeer) return;
    switch (progress) {
      case Progress::kDone:
        break;
      case Progress::kBlocked:
        return WaitReadable();
      case Progress::kEnd:
        return OnPeerEnd();
      case Progress::kFailed:
        return Finish(FailureText());
    }
    if (!delivering()) return;
  }
  ReadLater();
}

// The peer may have ended only its own side and still read (RFC 6120 4.4: it waits for our closing tag).
void Connection::State::OnPeerEnd() {
  if (life_ == Life::kOpen) StartClosing(kHalfCloseLinger);
  Flush();
}

// After our end is sent, whatever the peer still sends is of no use; but closing over unread bytes would send a reset,
// which may overtake the last ones that we sent.
void Connection::State::Discard() {
  for (int round = 0; round < kBuffersPerTurn; ++round) {
    std::size_t moved = 0;
    switch (socket_.Receive(turn_.scratch(), Turn::kScratchSize, moved)) {
      case Socket::Status::kDone:
        break;
      case Socket::Status::kBlocked:
        return WaitReadable();
      case Socket::Status::kEnd:
      case Socket::Status::kFailed:
        return Finish("closed");
    }
  }
  ReadLater();
}

void Connection::State::BeginHandshake() {
  security_ = Security::kHandshake;
  if (waiting_read_) return;
  if (socket_.drained()) return WaitReadable();
  ReadLater();
}

void Connection::State::ContinueHandshake() {
  switch (tls_->Handshake()) {
    case TlsSession::Status::kDone:
      security_ = Security::kTls;
      reader_->OnSecured();
      if (life_ != Life::kOpen) return;
      if (!out_.empty()) FlushLater();
      // What came with the last flight is in OpenSSL's buffer.
      if (delivering()) ReadBytes();
      return;
    case TlsSession::Status::kBlockedOnRead:
      return WaitReadable();
    case TlsSession::Status::kBlockedOnWrite:
      return WaitWritable();
    case TlsSession::Status::kEnd:
      return Finish("closed");
    case TlsSession::Status::kFailed:
      // The alert has been sent; give it a chance to be read.
      const std::string reason = FailureText();
      socket_.SendEnd();
      std::size_t moved = 0;
      socket_.Receive(turn_.scratch(), Turn::kScratchSize, moved);
      return Finish(reason);
  }
}

}  // namespace parley::net

#include "libs/rpc/byte_stream.h"

#include "libs/rpc/security_state.h"

namespace parley::rpc {

void ByteStream::Opened(bool ok, const std::string& remote_address) {
  if (!ok || !user_ || detached_) return FinishOnce();
  user_->OnOpen(remote_address);
}

void ByteStream::Read() {
  if (reading_ || finish_wanted_) return;
  reading_ = true;
  OnReadTime(true);
}

void ByteStream::ReadAfterWrites() {
  if (reading_ || finish_wanted_) return;
  reading_ = true;
  poller_.AfterWrites(&read_time_);
}

void ByteStream::OnReadTime(bool) {
  poller_.Start(Poller::Soon::kNextTurn, [&] { StartRead(&incoming_, &read_); });
}

void ByteStream::OnRead(bool ok) {
  reading_ = false;
  if (detached_ || !user_) {
    FinishOnce();
  } else if (ok) {
    finish_wanted_ ? Drain() : user_->OnMessage(incoming_);
  } else {
    user_->OnReadsDone();
    if (!user_->Lingers()) FinishOnce();
  }
  ReleaseIfDone();
}

// gRPC gives who dialled no status before the last message that came is read.
void ByteStream::Drain() {
  if (gives_status()) return;
  reading_ = true;
  OnReadTime(true);
}

void ByteStream::Write(const grpc::ByteBuffer& message) {
  if (finish_wanted_ || half_closed_ || writing_) return;
  writing_ = true;
  poller_.Start(Poller::Soon::kThisTurn, [&] { StartWrite(message, &write_); });
}

void ByteStream::OnWritten(bool ok) {
  writing_ = false;
  if (finish_wanted_) {
    FinishOnce();
  } else if (!ok) {
    // The reads end too, after what had come already: it counts.
    if (!reading_) FinishOnce();
  } else if (!detached_) {
    user_->OnWritten();
  }
  ReleaseIfDone();
}

void ByteStream::Finish(const grpc::Status& status) {
  if (half_closed_ || finish_wanted_) return;
  half_closed_ = true;
  status_ = status;
  if (StartHalfClose(&half_close_)) {
    half_closing_ = true;
  } else {
    FinishOnce();
  }
}

void ByteStream::OnHalfClosed(bool) {
  half_closing_ = false;
  ReleaseIfDone();
}

void ByteStream::Abort(const std::string& reason) {
  if (reason_.empty()) {
    reason_ = reason;
    status_ = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, reason);
  }
  if (gives_status() && !writing_) return FinishOnce();
  Cancel();
}

void ByteStream::Detach() {
  detached_ = true;
  Cancel();
}

void ByteStream::FinishOnce() {
  finish_wanted_ = true;
  if (finishing_) return;
  // gRPC takes no status beside a write.
  if (writing_) return Cancel();
  finishing_ = true;
  StartFinish(status_, &finish_);
}

void ByteStream::OnFinished(bool) {
  finished_ = true;
  ReleaseIfDone();
}

void ByteStream::ReleaseIfDone() {
  if (!finished_ || reading_ || writing_ || half_closing_) return;
  if (user_ && !std::exchange(detached_, true)) user_->OnBroken(reason_.empty() ? Outcome() : reason_);
  poller_.Release(this);
}

// ---- dialling

ClientStream& ClientStream::Dial(Poller& poller, std::shared_ptr<grpc::Channel> channel, const Security* security,
                                 const std::string& method, std::string address) {
  auto& stream = poller.Adopt(std::make_unique<ClientStream>(poller, std::move(channel), std::move(address)));
  ShowToken(security, stream.context_);
  stream.stream_ = stream.stub_.PrepareCall(&stream.context_, method, &poller.queue());
  stream.stream_->StartCall(&stream.start_);
  return stream;
}

bool ClientStream::StartHalfClose(void* tag) {
  stream_->WritesDone(tag);
  return true;
}

void ClientStream::StartFinish(const grpc::Status&, void* tag) { stream_->Finish(&outcome_, tag); }

std::string ClientStream::Outcome() const {
  return outcome_.ok() ? "the peer ended the stream" : outcome_.error_message();
}

// ---- accepting

void ServerStream::Listen(Poller& poller, std::shared_ptr<Acceptor> acceptor) {
  auto& stream = poller.Adopt(std::make_unique<ServerStream>(poller, acceptor));
  acceptor->service.RequestCall(&stream.context_, &stream.stream_, acceptor->queue, acceptor->queue, &stream.call_);
}

void ServerStream::Cancel() {
  if (called_) context_.TryCancel();
}

void ServerStream::OnCalled(bool ok) {
  // Not ok: the server shuts down.
  if (!ok) return poller_.Release(this);
  called_ = true;
  if (!acceptor_->accept) return Opened(false, {});
  Listen(poller_, acceptor_);
  acceptor_->accept(context_, *this);
  if (user() == nullptr) return Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "there is no such method"));
  Opened(true, context_.peer());
}

}  // namespace parley::rpc

#include "libs/rpc/grpc_stream.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <utility>

namespace parley::rpc {
namespace {

using FrameTraits = grpc::SerializationTraits<link::v1::Frame>;

}  // namespace

GrpcStream::GrpcStream(Poller& poller, TransportEvents* events) : poller_(poller), events_(events) {}

void GrpcStream::Opened(bool ok, const std::string& remote_address) {
  if (!ok || events_ == nullptr) return FinishOnce();
  reading_ = true;
  events_->OnOpen(remote_address);
  ReadNext(true);
}

void GrpcStream::Write(const link::v1::Frame& frame) {
  if (finish_wanted_ || half_closed_ || writing_) return;
  grpc::ByteBuffer bytes;
  bool own = false;
  const auto status = FrameTraits::Serialize(frame, &bytes, &own);
  if (!status.ok()) return Abort("a frame does not serialise");
  writing_ = true;
  poller_.Start(Poller::Soon::kThisTurn, [&] { StartWrite(bytes, &write_); });
}

void GrpcStream::OnWritten(bool ok) {
  writing_ = false;
  // Not ok: the stream is broken, and the read says so too.
  if (finish_wanted_) {
    FinishOnce();
  } else if (ok && events_ != nullptr) {
    events_->OnWritten();
  }
  ReleaseIfDone();
}

void GrpcStream::OnRead(bool ok) {
  reading_ = false;
  if (!ok) {
    FinishOnce();
    return ReleaseIfDone();
  }
  if (events_ == nullptr) return FinishOnce();
  Receive();
}

void GrpcStream::Receive() {
  const std::size_t bytes = incoming_.Length();
  // About as many as came last time.
  auto& envelopes = *frame_.mutable_envelopes();
  while (envelopes.ClearedCount() < spare_envelopes_) envelopes.AddCleared(NewEnvelope().release());
  const bool parsed = FrameTraits::Deserialize(&incoming_, &frame_).ok();
  spare_envelopes_ = envelopes.size();
  if (finish_wanted_) return ReleaseIfDone();
  if (parsed) {
    events_->OnFrame(frame_, bytes);
  } else {
    events_->OnGarbage();
  }
  // After what this caused was written: gRPC sends a window update at the start of a read, unless a write took it along.
  // That would be one more packet, and one more wake-up of the peer, for each frame.
  reading_ = true;
  poller_.AfterWrites(&read_next_);
}

void GrpcStream::ReadNext(bool) {
  poller_.Start(Poller::Soon::kNextTurn, [&] { StartRead(&incoming_, &read_); });
}

void GrpcStream::Finish() {
  if (half_closed_ || finish_wanted_) return;
  half_closed_ = true;
  if (StartHalfClose(&half_close_)) {
    half_closing_ = true;
  } else {
    FinishOnce();
  }
}

void GrpcStream::OnHalfClosed(bool) {
  half_closing_ = false;
  ReleaseIfDone();
}

void GrpcStream::Abort(const std::string& reason) {
  if (reason_.empty()) reason_ = reason;
  if (gives_status() && !writing_) return FinishOnce();
  Cancel();
}

void GrpcStream::Detach() {
  events_ = nullptr;
  Cancel();
}

void GrpcStream::FinishOnce() {
  finish_wanted_ = true;
  if (finishing_) return;
  // gRPC takes no status beside a write.
  if (writing_) return Cancel();
  finishing_ = true;
  StartFinish(reason_, &finish_);
}

void GrpcStream::OnFinished(bool) {
  finished_ = true;
  ReleaseIfDone();
}

void GrpcStream::ReleaseIfDone() {
  if (!finished_ || reading_ || writing_ || half_closing_) return;
  if (events_ != nullptr) std::exchange(events_, nullptr)->OnBroken(reason_.empty() ? Outcome() : reason_);
  poller_.Release(this);
}

// ---- dialling

ClientStream& ClientStream::Dial(Poller& poller, std::shared_ptr<grpc::Channel> channel, std::string address,
                                 TransportEvents& events) {
  auto& stream =
      poller.Adopt(std::make_unique<ClientStream>(poller, std::move(channel), std::move(address), events));
  stream.stream_ = stream.stub_.PrepareCall(&stream.context_, kExchangeMethod, &poller.queue());
  stream.stream_->StartCall(&stream.start_);
  return stream;
}

ClientStream::ClientStream(Poller& poller, std::shared_ptr<grpc::Channel> channel, std::string address,
                           TransportEvents& events)
    : GrpcStream(poller, &events), channel_(std::move(channel)), stub_(channel_), address_(std::move(address)) {}

bool ClientStream::StartHalfClose(void* tag) {
  stream_->WritesDone(tag);
  return true;
}

void ClientStream::StartFinish(const std::string&, void* tag) { stream_->Finish(&status_, tag); }

std::string ClientStream::Outcome() const {
  return status_.ok() ? "the peer ended the stream" : status_.error_message();
}

// ---- accepting

void ServerStream::Listen(Poller& poller, std::shared_ptr<Acceptor> acceptor) {
  auto& stream = poller.Adopt(std::make_unique<ServerStream>(poller, acceptor));
  acceptor->service.RequestCall(&stream.context_, &stream.stream_, acceptor->queue, acceptor->queue, &stream.call_);
}

void ServerStream::OnCalled(bool ok) {
  // Not ok: the server shuts down.
  if (!ok) return poller_.Release(this);
  called_ = true;
  if (!acceptor_->accept) return Opened(false, {});
  Listen(poller_, acceptor_);
  if (context_.method() == kExchangeMethod) set_events(acceptor_->accept(*this));
  Opened(true, context_.peer());
}

void ServerStream::StartFinish(const std::string& reason, void* tag) {
  grpc::Status status = grpc::Status::OK;
  if (context_.method() != kExchangeMethod) {
    status = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no such method");
  } else if (!reason.empty()) {
    status = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, reason);
  }
  stream_.Finish(status, tag);
}

}  // namespace parley::rpc

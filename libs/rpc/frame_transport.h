#pragma once

#include <string>

#include "libs/rpc/byte_stream.h"
#include "libs/rpc/frame_reader.h"
#include "libs/rpc/link.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

// Frames over a stream that gRPC's server has accepted.
class FrameTransport final : public Transport, public ByteStream::User {
 public:
  FrameTransport(ByteStream& stream, TransportEvents& events) : stream_(&stream), events_(&events) {}

  void Write(const link::v1::Frame& frame) override;
  void Finish() override { stream_->Finish(); }
  void Abort(const std::string& reason) override { stream_->Abort(reason); }
  void Detach() override { stream_->Detach(); }

 private:
  void OnOpen(const std::string& remote_address) override;
  void OnMessage(grpc::ByteBuffer& message) override;
  void OnWritten() override { events_->OnWritten(); }
  void OnBroken(const std::string& reason) override { events_->OnBroken(reason); }

  ByteStream* stream_;
  TransportEvents* events_;
  FrameReader reader_;
};

}  // namespace parley::rpc

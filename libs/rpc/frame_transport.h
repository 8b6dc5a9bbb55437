#pragma once

#include <string>

#include "libs/rpc/byte_stream.h"
#include "libs/rpc/link.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

// Frames over a gRPC stream. They are serialised and parsed here, on the loop's thread: an envelope is freed where it
// was allocated, and mostly not at all.
class FrameTransport final : public Transport, public ByteStream::User {
 public:
  FrameTransport(ByteStream& stream, TransportEvents& events) : stream_(&stream), events_(&events) {}

  void Write(const link::v1::Frame& frame) override { stream_->Write(frame); }
  void Finish() override { stream_->Finish(); }
  void Abort(const std::string& reason) override { stream_->Abort(reason); }
  void Detach() override { stream_->Detach(); }

 private:
  void OnOpen(const std::string& remote_address) override;
  void OnMessage(std::string_view message) override;
  void OnWritten() override { events_->OnWritten(); }
  void OnBroken(const CallStatus& status) override;

  ByteStream* stream_;
  TransportEvents* events_;
  link::v1::Frame frame_;
  int spare_envelopes_ = 0;
};

}  // namespace parley::rpc

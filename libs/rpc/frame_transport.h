#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "libs/rpc/byte_stream.h"
#include "libs/rpc/http2_metrics.h"
#include "libs/rpc/link.h"
#include "libs/rpc/transport.h"

namespace parley::rpc {

// Frames over a gRPC stream. They are serialised and parsed here, on the loop's thread: an envelope is freed where it
// was allocated, and mostly not at all.
class FrameTransport final : public Transport, public ByteStream::User {
 public:
  struct Limit {
    std::size_t items;  // in a frame that comes
    std::shared_ptr<const Http2Metrics> metrics;
  };
  FrameTransport(ByteStream& stream, TransportEvents& events, Limit limit)
      : stream_(&stream), events_(&events), limit_(std::move(limit)) {}

  void Write(const link::v1::Frame& frame) override { stream_->Write(frame); }
  void Finish() override { stream_->Finish(); }
  void Abort(const std::string& reason) override { stream_->Abort(reason); }
  void Detach() override { stream_->Detach(); }

 private:
  void OnOpen(const std::string& remote_address) override;
  void OnMessage(std::string_view message) override;
  bool HasTooMany(std::string_view message) const;
  void OnWritten() override { events_->OnWritten(); }
  void OnBroken(const CallStatus& status) override;

  ByteStream* stream_;
  TransportEvents* events_;
  const Limit limit_;
  link::v1::Frame frame_;
  int spare_envelopes_ = 0;
};

}  // namespace parley::rpc

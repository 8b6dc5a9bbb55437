#include "libs/rpc/frame_transport.h"

#include <grpcpp/impl/codegen/proto_utils.h>

namespace parley::rpc {
namespace {

using FrameTraits = grpc::SerializationTraits<link::v1::Frame>;

}  // namespace

void FrameTransport::OnOpen(const std::string& remote_address) {
  events_->OnOpen(remote_address);
  stream_->Read();
}

void FrameTransport::Write(const link::v1::Frame& frame) {
  grpc::ByteBuffer bytes;
  bool own = false;
  if (!FrameTraits::Serialize(frame, &bytes, &own).ok()) return Abort("a frame does not serialise");
  stream_->Write(bytes);
}

void FrameTransport::OnMessage(grpc::ByteBuffer& message) {
  const std::size_t bytes = message.Length();
  auto* frame =
      reader_.Read([&](link::v1::Frame& into) { return FrameTraits::Deserialize(&message, &into).ok(); });
  stream_->ReadAfterWrites();
  frame != nullptr ? events_->OnFrame(*frame, bytes) : events_->OnGarbage();
}

}  // namespace parley::rpc

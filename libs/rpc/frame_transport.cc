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
  // About as many as came last time.
  auto& envelopes = *frame_.mutable_envelopes();
  while (envelopes.ClearedCount() < spare_envelopes_) envelopes.AddCleared(NewEnvelope().release());
  const bool parsed = FrameTraits::Deserialize(&message, &frame_).ok();
  spare_envelopes_ = envelopes.size();
  stream_->ReadAfterWrites();
  if (parsed) {
    events_->OnFrame(frame_, bytes);
  } else {
    events_->OnGarbage();
  }
}

}  // namespace parley::rpc

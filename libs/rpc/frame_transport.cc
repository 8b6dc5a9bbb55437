#include "libs/rpc/frame_transport.h"

namespace parley::rpc {

void FrameTransport::OnOpen(const std::string& remote_address) {
  stream_->Read();
  events_->OnOpen(remote_address);
}

void FrameTransport::OnMessage(std::string_view message) {
  // About as many as came last time.
  auto& envelopes = *frame_.mutable_envelopes();
  while (envelopes.ClearedCount() < spare_envelopes_) envelopes.AddCleared(NewEnvelope().release());
  const bool parsed = frame_.ParseFromArray(message.data(), static_cast<int>(message.size()));
  spare_envelopes_ = envelopes.size();
  stream_->Read();
  if (parsed) {
    events_->OnFrame(frame_, message.size());
  } else {
    events_->OnGarbage();
  }
}

void FrameTransport::OnBroken(const CallStatus& status) {
  events_->OnBroken(status.ok() ? "the peer ended the stream" : status.message);
}

}  // namespace parley::rpc

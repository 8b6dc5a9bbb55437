#include "libs/rpc/frame_transport.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>

namespace parley::rpc {
namespace {

using google::protobuf::io::CodedInputStream;

using google::protobuf::internal::WireFormatLite;

// How many numbers a packed field holds: each ends with the only byte of it whose high bit is clear.
std::size_t CountVarints(std::string_view packed) {
  return std::count_if(packed.begin(), packed.end(), [](char byte) { return (byte & 0x80) == 0; });
}

// How many things a frame is parsed into; nothing is allocated for it. Of what is none: as many as parsing it gets to.
std::size_t CountItems(std::string_view frame) {
  constexpr std::uint32_t kPackedAcks =
      WireFormatLite::MakeTag(link::v1::Frame::kAcksFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(frame.data()), static_cast<int>(frame.size()));
  std::size_t items = 0;
  while (const std::uint32_t tag = in.ReadTag()) {
    ++items;
    if (tag != kPackedAcks) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    std::uint32_t bytes = 0;
    if (!in.ReadVarint32(&bytes)) break;
    items += CountVarints(frame.substr(static_cast<std::size_t>(in.CurrentPosition()), bytes));
    if (!in.Skip(static_cast<int>(bytes))) break;
  }
  return items;
}

}  // namespace

void FrameTransport::OnOpen(const std::string& remote_address) {
  stream_->Read();
  events_->OnOpen(remote_address);
}

// An item takes a byte at least: most frames need not be looked at.
bool FrameTransport::HasTooMany(std::string_view message) const {
  return message.size() > limit_.items && CountItems(message) > limit_.items;
}

void FrameTransport::OnMessage(std::string_view message) {
  if (HasTooMany(message)) {
    limit_.metrics->Reached(Http2Limit::kItems);
    return events_->OnGarbage("a frame has more in it than link.max_items");
  }
  // About as many as came last time.
  auto& envelopes = *frame_.mutable_envelopes();
  while (envelopes.ClearedCount() < spare_envelopes_) envelopes.AddCleared(NewEnvelope().release());
  const bool parsed = frame_.ParseFromArray(message.data(), static_cast<int>(message.size()));
  spare_envelopes_ = envelopes.size();
  stream_->Read();
  if (parsed) {
    events_->OnFrame(frame_, message.size());
  } else {
    events_->OnGarbage("what came is no frame");
  }
}

void FrameTransport::OnBroken(const CallStatus& status) {
  events_->OnBroken(status.ok() ? "the peer ended the stream" : status.message);
}

}  // namespace parley::rpc

#include "libs/rpc/http2_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/rpc/http2_connection.h"

namespace parley::rpc {
namespace {

// Beyond this the memory of a message that was written is not kept.
constexpr std::size_t kKeptBytes = 256 << 10;
constexpr char kCutOff[] = "what came ends within a message";

}  // namespace

Http2Stream::Http2Stream(Http2Connection& connection, std::string method)
    : connection_(&connection), method_(std::move(method)), incoming_(connection.options().max_message_bytes) {}

void Http2Stream::Open(std::int32_t id, const std::string& remote_address) {
  id_ = id;
  if (user_) user_->OnOpen(remote_address);
}

void Http2Stream::Later(void (Http2Stream::*what)()) {
  connection_->loop().Post([self = shared_from_this(), what] {
    if (self->connection_ != nullptr) ((*self).*what)();
  });
}

void Http2Stream::Read() {
  if (connection_ == nullptr || std::exchange(reading_, true) || delivering_) return;
  if (incoming_.HasNext() || remote_ended_) Later(&Http2Stream::Deliver);
}

void Http2Stream::OnData(std::string_view bytes) {
  unconsumed_ += bytes.size();
  // Nobody wants it: the call was refused, or this follows what is no message.
  if (!user_ || deaf_ || incoming_.broken()) return Consume(unconsumed_);
  incoming_.Add(bytes);
  CountUnread(incoming_.size());
  if (connection_->unread_bytes() > connection_->options().max_unread_bytes) {
    connection_->options().metrics->Reached(Http2Limit::kUnreadBytes);
    deaf_ = true;
    incoming_.Clear();  // there is room for the others again
    CountUnread(0);
    Consume(unconsumed_);
    return Fail({CallStatus::kResourceExhausted, "too much is unread on this connection"});
  }
  Arrived();
}

void Http2Stream::CountUnread(std::size_t bytes) {
  connection_->unread_bytes() += bytes;
  connection_->unread_bytes() -= std::exchange(unread_, bytes);
}

void Http2Stream::OnRemoteEnd() {
  remote_ended_ = true;
  Arrived();
}

void Http2Stream::Arrived() {
  if (!std::exchange(arrived_, true)) connection_->Arrived(shared_from_this());
}

void Http2Stream::DeliverIfEnded() {
  if (remote_ended_) Deliver();
}

void Http2Stream::Deliver() {
  arrived_ = false;
  if (connection_ == nullptr || delivering_) return;
  if (connection_->doubts()) return Arrived();
  delivering_ = true;
  const auto self = shared_from_this();
  while (reading_ && user_ && connection_ != nullptr) {
    const auto message = incoming_.Next();
    if (!message) break;
    reading_ = false;
    Consume(message->size() + kMessagePrefix);
    user_->OnMessage(*message);
  }
  delivering_ = false;
  if (connection_ == nullptr) return;
  CountUnread(incoming_.size());
  // A message may be larger than the window.
  if (!incoming_.HasNext()) Consume(unconsumed_);
  if (incoming_.broken()) return RefuseNext();
  if (remote_ended_ && !incoming_.HasNext()) AfterTheLast();
}

void Http2Stream::RefuseNext() {
  if (failure_) return;
  if (incoming_.garbled()) return Fail({CallStatus::kInternal, "what came is no message of gRPC"});
  connection_->options().metrics->Reached(Http2Limit::kMessageBytes);
  Fail({CallStatus::kResourceExhausted, "a message is larger than link.max_message_bytes"});
}

void Http2Stream::AfterTheLast() {
  // Who called is told how it ended, and has nothing more to say.
  if (!connection_->accepts()) return Release(Outcome(NGHTTP2_NO_ERROR));
  if (!reading_ || !user_ || failure_) return;
  reading_ = false;
  if (incoming_.partial()) return Abort(kCutOff);
  user_->OnReadsDone();
  if (user_ && !user_->Lingers()) Finish({});
}

void Http2Stream::Consume(std::size_t bytes) {
  const std::size_t consumed = std::min(bytes, unconsumed_);
  unconsumed_ -= consumed;
  if (connection_ != nullptr && consumed > 0) connection_->Consume(id_, consumed);
}

void Http2Stream::Write(const google::protobuf::MessageLite& message) {
  if (connection_ == nullptr || writing_ || ending_) return;
  outgoing_.clear();
  AppendMessagePrefix(message.ByteSizeLong(), outgoing_);
  message.AppendPartialToString(&outgoing_);
  BeginWriting();
}

void Http2Stream::WriteBytes(std::string_view message) {
  if (connection_ == nullptr || writing_ || ending_) return;
  outgoing_.clear();
  AppendMessagePrefix(message.size(), outgoing_);
  outgoing_ += message;
  BeginWriting();
}

void Http2Stream::BeginWriting() {
  taken_ = 0;
  writing_ = true;
  if (connection_->accepts() && !std::exchange(answered_, true)) connection_->Answer(id_);
  connection_->Resume(id_);
}

std::size_t Http2Stream::Take(std::uint8_t* to, std::size_t room, std::uint32_t& flags) {
  const std::size_t bytes = std::min(room, outgoing_.size() - taken_);
  std::memcpy(to, outgoing_.data() + taken_, bytes);  // std::copy goes by bytes where types differ
  taken_ += bytes;
  const bool all = taken_ == outgoing_.size();
  if (all && bytes > 0) connection_->TellWhenDrained(shared_from_this());
  if (all && ending_) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (connection_->accepts()) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      connection_->SendTrailers(id_, *ending_);
    }
  }
  return bytes;
}

void Http2Stream::OnDrained() {
  if (connection_ == nullptr || taken_ != outgoing_.size() || !std::exchange(writing_, false)) return;
  if (outgoing_.capacity() > kKeptBytes) {
    outgoing_ = {};
    taken_ = 0;
  }
  if (user_) user_->OnWritten();
}

void Http2Stream::Finish(const CallStatus& status) {
  if (connection_ == nullptr || ending_) return;
  ending_ = status;
  End();
}

void Http2Stream::End() {
  if (id_ == 0) return;
  if (connection_->accepts() && !answered_) {
    answered_ = true;
    return connection_->AnswerAtOnce(id_, *ending_);
  }
  connection_->Resume(id_);
}

void Http2Stream::Abort(const std::string& reason) { Fail({CallStatus::kCancelled, reason}); }

void Http2Stream::Fail(CallStatus why) {
  if (connection_ == nullptr || failure_) return;
  failure_ = std::move(why);
  const bool within_message = writing_ && taken_ < outgoing_.size();
  // Trailers follow data, and wait for the peer's window like it.
  const bool can_tell = !ending_ && !within_message && (!answered_ || connection_->HasWindow(id_));
  if (!connection_->accepts() || !can_tell) return Later(&Http2Stream::Cancel);
  const bool ours = failure_->code == CallStatus::kCancelled;
  Finish({ours ? CallStatus::kFailedPrecondition : failure_->code, failure_->message});
}

void Http2Stream::Cancel() { Broken(*failure_); }

void Http2Stream::Detach() {
  // It may be the user that asks.
  if (user_ && connection_ != nullptr) KeepUserForNow();
  Broken({});
}

void Http2Stream::OnClosed(std::uint32_t error_code) {
  if (connection_ == nullptr) return;
  const bool unread = remote_ended_ && user_ && incoming_.HasNext();
  if (unread && !connection_->accepts() && !failure_) return;  // AfterTheLast
  Release(Outcome(error_code));
}

CallStatus Http2Stream::Outcome(std::uint32_t error_code) const {
  if (failure_) return *failure_;
  if (const auto status = fields_.status()) {
    return status->ok() && incoming_.partial() ? CallStatus(CallStatus::kInternal, kCutOff) : *status;
  }
  if (connection_->accepts()) return {CallStatus::kCancelled, "the peer went away"};
  if (error_code == NGHTTP2_REFUSED_STREAM) return CallStatus::NeverSent("it takes no more calls");
  return {CallStatus::kUnavailable, std::string("HTTP/2: ") + nghttp2_http2_strerror(error_code)};
}

void Http2Stream::Broken(const CallStatus& status) {
  if (connection_ == nullptr) return;
  connection_->Reset(id_, NGHTTP2_CANCEL);
  Release(status);
}

void Http2Stream::Release(const CallStatus& status) {
  const auto self = shared_from_this();
  CountUnread(0);
  auto* connection = std::exchange(connection_, nullptr);
  const auto user = std::move(user_);
  connection->Forget(*this);
  if (user) user->OnBroken(status);
}

void Http2Stream::Sever() {
  if (delivering_ && connection_ != nullptr) KeepUserForNow();
  connection_ = nullptr;
  user_.reset();
}

// Until it has returned. We stay as long, for it may yet say something to us.
void Http2Stream::KeepUserForNow() {
  connection_->loop().Post([self = shared_from_this(), user = std::shared_ptr<User>(std::move(user_))] {});
}

}  // namespace parley::rpc

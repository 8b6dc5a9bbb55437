#include "libs/rpc/http2_connection.h"

#include <array>
#include <cstring>
#include <utility>

#include "libs/base/version.h"

namespace parley::rpc {
namespace {

// At once: what is not said yet stays in nghttp2, where flow control and its limits still see it. Several batches of a
// link; more saves nothing.
constexpr std::size_t kMaxWriteBytes = 128 << 10;
// A timer that is late by so much says that this process did not run; what came meanwhile is read first. No setting:
// it is far above what a turn of the loop takes, and not long compared to a time-out that it prolongs.
constexpr std::chrono::milliseconds kLate{500};

// Of fields that live until they are submitted.
nghttp2_nv Field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// "application/grpc", or with the encoding of the messages behind it.
bool IsGrpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  return content_type.size() == kGrpc.size() || content_type[kGrpc.size()] == '+' || content_type[kGrpc.size()] == ';';
}

}  // namespace

void Http2Connection::Dial(const std::string& address, const DialIdentity& identity) {
  identity_ = identity;
  authority_ = identity.tls ? identity.peer_name : address;
  AwaitGreeting();
  pipe_ = std::make_unique<Pipe>(loop_, *this, address, identity.tls, identity.peer_name);
}

void Http2Connection::Accept(int fd, std::shared_ptr<const PipeTls> tls, OnCall on_call, Closed closed) {
  on_call_ = std::move(on_call);
  closed_ = std::move(closed);
  AwaitGreeting();
  pipe_ = std::make_unique<Pipe>(loop_, *this, fd, std::move(tls));
}

void Http2Connection::AwaitGreeting() {
  greeting_ = loop_.After(options_.hello_timeout, [this] {
    options_.metrics->Reached(Http2Limit::kHelloTime);
    Break(session_    ? "no greeting of HTTP/2 in time"
          : accepts() ? "no TLS handshake in time"
                      : "no connection in time");
  });
}

void Http2Connection::OnGreeted() {
  greeted_ = true;
  greeting_.Cancel();
  SubmitSoon();
}

void Http2Connection::OnConnected() {
  const auto self = shared_from_this();
  MakeSession();
  Greet();
  last_heard_ = Clock::now();
  Watch(options_.keepalive);
  PlanSaying();
}

void Http2Connection::Greet() {
  std::vector<nghttp2_settings_entry> settings{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.receive_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options_.max_header_bytes},
  };
  settings.push_back(accepts() ? nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_calls}
                               : nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(options_.receive_window));
}

// ---- calls that we make

ByteStream& Http2Connection::Call(const std::string& method) {
  const auto stream = std::make_shared<Http2Stream>(*this, method);
  self_ = shared_from_this();
  unsent_.push_back(stream);
  if (broken_) {
    loop_.Post([stream] { stream->Broken(CallStatus::NeverSent("the connection is gone")); });
  } else if (greeted_) {
    SubmitSoon();
  }
  return *stream;
}

// Not before the peer has greeted: one that refuses the connection (link.max_connections) has not seen them, and so
// they may be made elsewhere.
void Http2Connection::SubmitSoon() {
  loop_.Post([self = shared_from_this()] {
    for (const auto& unsent : std::exchange(self->unsent_, {})) self->Submit(unsent);
  });
}

void Http2Connection::Submit(const std::shared_ptr<Http2Stream>& stream) {
  const std::string agent = "parley/" + Version();
  std::vector<nghttp2_nv> fields{
      Field(":method", "POST"),         Field(":scheme", identity_.tls ? "https" : "http"),
      Field(":path", stream->method()), Field(":authority", authority_),
      Field("te", "trailers"),          Field("content-type", "application/grpc"),
      Field("user-agent", agent),
  };
  if (!identity_.authorization.empty()) fields.push_back(Field("authorization", identity_.authorization));
  const auto body = Body();
  const std::int32_t id = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(), &body, nullptr);
  if (id < 0) {
    refusing_ = true;  // its numbers are used up
    return stream->Broken(CallStatus::NeverSent(nghttp2_strerror(id)));
  }
  streams_.emplace(id, stream);
  stream->Open(id, pipe_->address());
  PlanSaying();
}

// ---- calls that come

void Http2Connection::OnRequest(const std::shared_ptr<Http2Stream>& stream) {
  const auto fields = std::exchange(fields_, {});
  if (fields.http_method != "POST") return Refuse(stream->id(), "405");
  if (!IsGrpc(fields.content_type)) return Refuse(stream->id(), "415");
  on_call_(Request{fields.path, fields.authorization, pipe_->address(), pipe_->peer()}, *stream);
  if (broken_) return;
  if (!stream->used()) return stream->Finish({CallStatus::kUnimplemented, "there is no such method"});
  stream->Open(stream->id(), pipe_->address());
}

void Http2Connection::Refuse(std::int32_t id, const std::string& http_status) {
  const std::array fields{Field(":status", http_status)};
  nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), nullptr);
  PlanSaying();
}

void Http2Connection::Answer(std::int32_t id) {
  const std::array fields{Field(":status", "200"), Field("content-type", "application/grpc")};
  const auto body = Body();
  nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), &body);
}

void Http2Connection::AnswerAtOnce(std::int32_t id, const CallStatus& status) {
  const std::string code = std::to_string(status.code);
  const std::string message = EncodeStatusMessage(status.message);
  const std::array fields{Field(":status", "200"), Field("content-type", "application/grpc"),
                          Field("grpc-status", code), Field("grpc-message", message)};
  nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), nullptr);
  PlanSaying();
}

void Http2Connection::SendTrailers(std::int32_t id, const CallStatus& status) {
  const std::string code = std::to_string(status.code);
  const std::string message = EncodeStatusMessage(status.message);
  const std::array fields{Field("grpc-status", code), Field("grpc-message", message)};
  nghttp2_submit_trailer(session_.get(), id, fields.data(), fields.size());
}

// ---- what both do

std::shared_ptr<Http2Stream> Http2Connection::Find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void Http2Connection::Forget(const Http2Stream& stream) {
  if (stream.id() != 0) streams_.erase(stream.id());
  std::erase_if(unsent_, [&](const auto& unsent) { return unsent.get() == &stream; });
  if (!streams_.empty() || !unsent_.empty() || !self_) return;
  // Perhaps from inside one of our callbacks.
  loop_.Post([self = std::move(self_)] {});
}

void Http2Connection::Resume(std::int32_t id) {
  if (!session_ || id == 0) return;
  nghttp2_session_resume_data(session_.get(), id);
  PlanSaying();
}

void Http2Connection::Reset(std::int32_t id, std::uint32_t error_code) {
  if (!session_ || broken_ || id == 0) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, error_code);
  PlanSaying();
}

bool Http2Connection::HasWindow(std::int32_t id) const {
  return session_ && nghttp2_session_get_remote_window_size(session_.get()) > 0 &&
         nghttp2_session_get_stream_remote_window_size(session_.get(), id) > 0;
}

void Http2Connection::Consume(std::int32_t id, std::size_t bytes) {
  if (!session_ || broken_) return;
  nghttp2_session_consume_stream(session_.get(), id, bytes);
  PlanSaying();
}

void Http2Connection::PlanSaying() {
  if (std::exchange(saying_planned_, true)) return;
  loop_.AtEndOfTurn<&Http2Connection::Say>(shared_from_this());
}

// What the peer does not take waits in nghttp2, which has limits for it: a peer that makes us answer and does not read
// must not fill our memory (RFC 9113 section 10.5).
void Http2Connection::Say() {
  saying_planned_ = false;
  const std::uint8_t* bytes = nullptr;
  ssize_t size = 0;
  for (std::size_t said = 0; pipe_ && session_ && !pipe_->busy() && said < kMaxWriteBytes; said += size) {
    size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0) return Fail(static_cast<int>(size));
    if (size == 0) return;
    if (pipe_) pipe_->Write({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
}

void Http2Connection::ForEachOf(Streams& streams, void (Http2Stream::*call)()) {
  auto now = std::exchange(streams, std::exchange(spare_streams_, {}));
  for (const auto& stream : now) ((*stream).*call)();
  now.clear();
  spare_streams_ = std::move(now);
}

void Http2Connection::OnDrained() {
  const auto self = shared_from_this();
  unheard_bytes_ = 0;
  ForEachOf(draining_, &Http2Stream::OnDrained);
  if (broken_) return;
  if (over()) return Break("HTTP/2: the connection had to end");
  if (nghttp2_session_want_write(session_.get()) != 0) PlanSaying();
}

bool Http2Connection::over() const {
  return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

// A peer that does not read is not listened to for ever: that nghttp2 wants the connection to end is said, and the
// connection ended, behind all that waits.
bool Http2Connection::Unheard(std::size_t bytes) {
  if (pipe_->busy()) unheard_bytes_ += bytes;
  return unheard_bytes_ > options_.max_unread_bytes;
}

void Http2Connection::Fail(int nghttp2_error) {
  const bool flood = nghttp2_error == NGHTTP2_ERR_FLOODED || nghttp2_error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  if (flood) options_.metrics->Reached(Http2Limit::kFlood);
  Break(std::string("HTTP/2: ") + nghttp2_strerror(nghttp2_error));
}

// A process that stood still must not act on what a peer said that has given it up since, and told others. It may have
// done so if we have not heard of it for that long. Its answer to a ping comes behind all that, and not at all if it
// has; until then nothing counts. If we stand still again before we have read it, it is too old to say that, and each
// answer would be: the connection ends. (What can be seen at once, that it has gone, Pipe tells before OnPause.)
void Http2Connection::Doubt() {
  options_.metrics->Reached(Http2Limit::kSilence);
  doubts_ = true;
  ++doubt_;
  std::array<std::uint8_t, sizeof doubt_> number{};
  std::memcpy(number.data(), &doubt_, number.size());
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, number.data());
}

void Http2Connection::OnPingAnswered(const std::uint8_t* number) {
  if (std::memcmp(number, &doubt_, sizeof doubt_) == 0) doubts_ = false;
}

void Http2Connection::OnPause() {
  const auto self = shared_from_this();
  ForEachOf(arrived_, &Http2Stream::Deliver);
}

void Http2Connection::OnBytes(std::string_view bytes) {
  const auto self = shared_from_this();
  const auto now = Clock::now();
  if (Unheard(bytes.size())) return Fail(NGHTTP2_ERR_FLOODED);
  const bool silent = now - std::exchange(last_heard_, now) > options_.keepalive_timeout;
  if (silent && doubts_) return Break("silent for too long, twice");
  if (silent) Doubt();
  pinged_ = false;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (broken_) return;
  if (taken < 0) return Fail(static_cast<int>(taken));
  PlanSaying();
  if (over() && !pipe_->busy()) Break("the peer ended the connection");
}

// A peer that is silent is asked; one that is silent then is dead.
void Http2Connection::Watch(std::chrono::milliseconds delay) {
  watch_due_ = Clock::now() + delay;
  watch_ = loop_.After(delay, [this] { CheckPeer(); });
}

void Http2Connection::CheckPeer() {
  const auto now = Clock::now();
  if (now - watch_due_ > kLate) return Watch(kLate);
  if (pinged_) return Break("the peer does not answer");
  const auto silent = std::chrono::ceil<std::chrono::milliseconds>(now - last_heard_);
  if (silent < options_.keepalive) return Watch(options_.keepalive - silent);
  pinged_ = true;
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  PlanSaying();
  Watch(options_.keepalive_timeout);
}

void Http2Connection::Break(const std::string& reason) {
  const auto self = shared_from_this();
  if (std::exchange(broken_, true)) return;
  greeting_.Cancel();
  watch_.Cancel();
  pipe_.reset();
  for (const auto& stream : std::exchange(arrived_, {})) stream->DeliverIfEnded();
  auto streams = std::exchange(streams_, {});
  const auto unsent = std::exchange(unsent_, {});
  draining_.clear();
  arrived_.clear();  // what is still doubted
  for (const auto& stream : unsent) stream->Broken(CallStatus::NeverSent(reason));
  for (const auto& [id, stream] : streams) stream->Broken({CallStatus::kUnavailable, reason});
  if (closed_) std::exchange(closed_, nullptr)(greeted_ ? std::string() : reason);
}

void Http2Connection::Close() {
  broken_ = true;
  closed_ = nullptr;
  greeting_.Cancel();
  watch_.Cancel();
  pipe_.reset();
  for (const auto& stream : std::exchange(unsent_, {})) stream->Sever();
  for (const auto& [id, stream] : std::exchange(streams_, {})) stream->Sever();
  draining_.clear();
  arrived_.clear();
  if (self_) loop_.Post([self = std::move(self_)] {});
}

std::shared_ptr<Http2> Http2::Dial(Loop& loop, const std::string& address, const DialIdentity& identity,
                                   const Options& options) {
  const auto connection = std::make_shared<Http2Connection>(loop, Http2Connection::Side::kClient, options);
  connection->Dial(address, identity);
  return connection;
}

std::shared_ptr<Http2> Http2::Accept(Loop& loop, int fd, std::shared_ptr<const PipeTls> tls, const Options& options,
                                     OnCall on_call, Closed closed) {
  const auto connection = std::make_shared<Http2Connection>(loop, Http2Connection::Side::kServer, options);
  connection->Accept(fd, std::move(tls), std::move(on_call), std::move(closed));
  return connection;
}

}  // namespace parley::rpc

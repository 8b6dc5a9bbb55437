#include "libs/rpc/http2_transport.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "libs/base/version.h"
#include "libs/rpc/frame_reader.h"
#include "libs/rpc/grpc_wire.h"
#include "libs/rpc/pipe.h"

namespace parley::rpc {
namespace {

using Clock = std::chrono::steady_clock;
using link::v1::Frame;

// A timer that is late by so much says that this process did not run; what came meanwhile is read first.
constexpr std::chrono::milliseconds kLate{500};
constexpr std::uint32_t kMaxFramePayload = 1 << 20;
constexpr std::uint32_t kMaxHeaderList = 16384;

struct FreeSession {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};

nghttp2_nv Field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

class Http2Transport final : public Transport, public Pipe::Owner, public std::enable_shared_from_this<Http2Transport> {
 public:
  Http2Transport(Loop& loop, TransportEvents& events, const LinkOptions& options, std::string address)
      : loop_(loop), events_(&events), options_(options), address_(std::move(address)) {}

  void Dial(const std::string& service);
  void Write(const Frame& frame) override;
  void Finish() override;
  void Abort(const std::string& reason) override;
  void Detach() override;

 private:
  struct Callbacks;

  void OnConnected() override;
  void OnBytes(std::string_view bytes) override;
  void OnDrained() override;
  void OnClosed(const std::string& reason) override { Broken(reason); }

  void MakeSession();
  void Greet();
  void Request();
  // Gives the pipe what the session wants to say.
  void Say();
  std::size_t TakeMessage(std::uint8_t* to, std::size_t room, std::uint32_t& flags);
  void OnMessage(std::string_view message);
  void OnHeader(std::string_view name, std::string_view value);
  void OnStreamClosed(std::uint32_t error_code);
  void Watch(std::chrono::milliseconds delay);
  void CheckPeer();
  void Broken(const std::string& reason);

  Loop& loop_;
  TransportEvents* events_;  // nullptr: nothing more is told
  const LinkOptions options_;
  const std::string address_;
  DialIdentity identity_;
  std::shared_ptr<Http2Transport> self_;
  std::unique_ptr<Pipe> pipe_;
  std::unique_ptr<nghttp2_session, FreeSession> session_;
  std::int32_t stream_ = -1;

  GrpcMessages incoming_;
  FrameReader reader_;
  GrpcStatus status_;

  std::string message_;  // being written
  std::size_t taken_ = 0;
  bool writing_ = false;
  bool finishing_ = false;

  Loop::Timer watch_;
  Clock::time_point watch_due_;
  Clock::time_point last_heard_;
  bool pinged_ = false;
  std::string ended_;  // why; told once nghttp2 has returned
};

// nghttp2 calls these.
struct Http2Transport::Callbacks {
  static Http2Transport& Of(void* user) { return *static_cast<Http2Transport*>(user); }

  static int OnHeader(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Of(user).OnHeader({reinterpret_cast<const char*>(name), name_size},
                      {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }
  static int OnData(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                    void* user) {
    auto& self = Of(user);
    const bool good = self.incoming_.Take({reinterpret_cast<const char*>(data), size},
                                          [&](std::string_view message) { self.OnMessage(message); });
    if (!good && self.ended_.empty()) self.ended_ = "what came is no message of gRPC, or too large";
    return 0;
  }
  static int OnClose(nghttp2_session*, std::int32_t, std::uint32_t error_code, void* user) {
    Of(user).OnStreamClosed(error_code);
    return 0;
  }
  static ssize_t Read(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    const std::size_t bytes = Of(source->ptr).TakeMessage(to, room, *flags);
    if (bytes == 0 && *flags == NGHTTP2_DATA_FLAG_NONE) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(bytes);
  }
};

void Http2Transport::Dial(const std::string& service) {
  self_ = shared_from_this();
  identity_ = IdentityToDial(options_.security.get(), service);
  pipe_ = std::make_unique<Pipe>(loop_, *this, address_, identity_, options_.hello_timeout);
}

void Http2Transport::OnConnected() {
  MakeSession();
  Greet();
  Request();
  last_heard_ = Clock::now();
  Watch(options_.keepalive);
  const auto self = shared_from_this();
  events_->OnOpen(address_);
  Say();
}

void Http2Transport::MakeSession() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnClose);
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  session_.reset(session);
}

void Http2Transport::Greet() {
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kHttp2WindowBytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFramePayload},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderList},
  }};
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, kHttp2WindowBytes);
}

// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
void Http2Transport::Request() {
  const std::string agent = "parley/" + Version();
  std::vector<nghttp2_nv> fields{
      Field(":method", "POST"),
      Field(":scheme", identity_.files ? "https" : "http"),
      Field(":path", kExchangeMethod),
      Field(":authority", identity_.files ? identity_.peer_name : address_),
      Field("te", "trailers"),
      Field("content-type", "application/grpc"),
      Field("user-agent", agent),
  };
  if (!identity_.authorization.empty()) fields.push_back(Field("authorization", identity_.authorization));
  nghttp2_data_provider body{{.ptr = this}, &Callbacks::Read};
  stream_ = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(), &body, nullptr);
}

// ---- what we say

void Http2Transport::Write(const Frame& frame) {
  SerializeGrpc(frame, message_);
  taken_ = 0;
  writing_ = true;
  nghttp2_session_resume_data(session_.get(), stream_);
  Say();
}

std::size_t Http2Transport::TakeMessage(std::uint8_t* to, std::size_t room, std::uint32_t& flags) {
  const std::size_t bytes = std::min(room, message_.size() - taken_);
  std::copy_n(message_.data() + taken_, bytes, to);
  taken_ += bytes;
  if (finishing_ && taken_ == message_.size()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return bytes;
}

void Http2Transport::Say() {
  if (!pipe_) return;
  const std::uint8_t* bytes = nullptr;
  for (ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes); size > 0;
       size = nghttp2_session_mem_send(session_.get(), &bytes)) {
    pipe_->Write({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
}

void Http2Transport::OnDrained() {
  if (taken_ != message_.size() || !std::exchange(writing_, false)) return;
  const auto self = shared_from_this();
  if (events_ != nullptr) events_->OnWritten();
}

void Http2Transport::Finish() {
  if (std::exchange(finishing_, true)) return;
  nghttp2_session_resume_data(session_.get(), stream_);
  Say();
}

void Http2Transport::Abort(const std::string& reason) {
  loop_.Post([self = shared_from_this(), reason] { self->Broken(reason); });
}

void Http2Transport::Detach() {
  events_ = nullptr;
  Broken({});
}

// ---- what the peer says

void Http2Transport::OnBytes(std::string_view bytes) {
  const auto self = shared_from_this();
  last_heard_ = Clock::now();
  pinged_ = false;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0) return Broken(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken)));
  Say();
  if (!ended_.empty()) Broken(ended_);
}

void Http2Transport::OnMessage(std::string_view message) {
  if (events_ == nullptr || !ended_.empty()) return;
  auto* frame = reader_.Read(
      [&](Frame& into) { return into.ParseFromArray(message.data(), static_cast<int>(message.size())); });
  frame != nullptr ? events_->OnFrame(*frame, message.size()) : events_->OnGarbage();
}

void Http2Transport::OnHeader(std::string_view name, std::string_view value) { status_.Take(name, value); }

void Http2Transport::OnStreamClosed(std::uint32_t error_code) {
  if (!ended_.empty()) return;
  ended_ = status_.problem();
  if (!ended_.empty()) return;
  ended_ = error_code == NGHTTP2_NO_ERROR ? "the peer ended the stream"
                                          : std::string("HTTP/2: ") + nghttp2_http2_strerror(error_code);
}

// A peer that is silent is asked; one that is silent then is dead.
void Http2Transport::Watch(std::chrono::milliseconds delay) {
  watch_due_ = Clock::now() + delay;
  watch_ = loop_.After(delay, [this] { CheckPeer(); });
}

void Http2Transport::CheckPeer() {
  const auto now = Clock::now();
  if (now - watch_due_ > kLate) return Watch(kLate);
  if (pinged_) return Broken("the peer does not answer");
  const auto silent = std::chrono::ceil<std::chrono::milliseconds>(now - last_heard_);
  if (silent < options_.keepalive) return Watch(options_.keepalive - silent);
  pinged_ = true;
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  Say();
  Watch(options_.keepalive_timeout);
}

void Http2Transport::Broken(const std::string& reason) {
  const auto self = std::exchange(self_, nullptr);
  if (!self) return;
  watch_.Cancel();
  pipe_.reset();
  if (auto* events = std::exchange(events_, nullptr)) events->OnBroken(reason);
}

}  // namespace

Transport& DialHttp2(Loop& loop, TransportEvents& events, const LinkOptions& options, const std::string& address,
                     const std::string& service) {
  const auto transport = std::make_shared<Http2Transport>(loop, events, options, address);
  transport->Dial(service);
  return *transport;
}

}  // namespace parley::rpc

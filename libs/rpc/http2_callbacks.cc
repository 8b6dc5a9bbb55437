#include <utility>

#include "libs/rpc/http2_connection.h"

namespace parley::rpc {
namespace {

std::string_view View(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

// nghttp2 calls these, from inside OnBytes and Say.
struct Http2Connection::Callbacks {
  static Http2Connection& Of(void* user) { return *static_cast<Http2Connection*>(user); }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& self = Of(user);
    self.header_bytes_ = 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) self.fields_ = {};
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name_bytes,
                      std::size_t name_size, const std::uint8_t* value_bytes, std::size_t value_size, std::uint8_t,
                      void* user) {
    auto& self = Of(user);
    const auto name = View(name_bytes, name_size);
    const auto value = View(value_bytes, value_size);
    // That we told our limit does not keep anybody to it (RFC 9113 section 10.5.1).
    self.header_bytes_ += name.size() + value.size() + kHeaderOverhead;
    if (self.header_bytes_ > self.options_.max_header_bytes) {
      self.options_.metrics->Reached(Http2Limit::kHeaderBytes);
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (!self.accepts()) {
      if (const auto stream = self.Find(frame->hd.stream_id)) stream->OnField(name, value);
    } else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      if (name == ":method") self.fields_.http_method = value;
      if (name == ":path") self.fields_.path = value;
      if (name == "content-type") self.fields_.content_type = value;
      if (name == "authorization") self.fields_.authorization = value;
    }
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = Of(user);
    if (self.broken_) return NGHTTP2_ERR_CALLBACK_FAILURE;  // closed by what one of our users did
    if (frame->hd.type == NGHTTP2_GOAWAY) self.refusing_ = true;
    if (frame->hd.type == NGHTTP2_SETTINGS && !self.greeted_) self.OnGreeted();
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
      self.OnPingAnswered(frame->ping.opaque_data);
    }
    const bool headers = frame->hd.type == NGHTTP2_HEADERS;
    if (headers && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      const auto stream = std::make_shared<Http2Stream>(self, self.fields_.path);
      self.streams_.emplace(frame->hd.stream_id, stream);
      stream->Open(frame->hd.stream_id, {});
      self.OnRequest(stream);
    }
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && (headers || frame->hd.type == NGHTTP2_DATA)) OnRemoteEnd(session, self, frame->hd.stream_id);
    return 0;
  }

  // Who called is told how it ended, and has nothing more to say.
  static void OnRemoteEnd(nghttp2_session* session, Http2Connection& self, std::int32_t id) {
    const auto stream = self.Find(id);
    if (!stream) return;
    stream->OnRemoteEnd();
    if (self.accepts()) return;
    if (nghttp2_session_get_stream_local_close(session, id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
  }

  static int OnData(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                    void* user) {
    nghttp2_session_consume_connection(session, size);
    if (const auto stream = Of(user).Find(id)) stream->OnData(View(data, size));
    return 0;
  }

  // A frame that nghttp2 does not take.
  static int OnInvalid(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    auto& self = Of(user);
    const bool call = frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (call && self.streams_.size() >= self.options_.max_calls) self.options_.metrics->Reached(Http2Limit::kCalls);
    return 0;
  }

  // RFC 9113 section 8.1: whoever has answered before it has heard all says that it does not want the rest.
  static int OnSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    // nghttp2's word for who takes back too many calls.
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_INTERNAL_ERROR) {
      Of(user).options_.metrics->Reached(Http2Limit::kFlood);
    }
    const bool ends = frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!ends || !Of(user).accepts()) return 0;
    if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static int OnStreamClosed(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* user) {
    if (const auto stream = Of(user).Find(id)) stream->OnClosed(error_code);
    return 0;
  }

  static ssize_t Read(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    const auto stream = static_cast<Http2Connection*>(source->ptr)->Find(id);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t bytes = stream->Take(to, room, *flags);
    if (bytes == 0 && *flags == NGHTTP2_DATA_FLAG_NONE) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(bytes);
  }
};

nghttp2_data_provider Http2Connection::Body() { return {{.ptr = this}, &Callbacks::Read}; }

void Http2Connection::MakeSession() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, &Callbacks::OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::OnData);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, &Callbacks::OnInvalid);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, &Callbacks::OnSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::OnStreamClosed);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  // New window is told for what was taken, once it is half.
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_session* session = nullptr;
  accepts() ? nghttp2_session_server_new2(&session, callbacks, this, option)
            : nghttp2_session_client_new2(&session, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  session_.reset(session);
}

}  // namespace parley::rpc

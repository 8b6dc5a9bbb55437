#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/net/connection.h"
#include "libs/rpc/http2.h"
#include "libs/rpc/testing.h"
#include "libs/telemetry/metrics.h"

// For tests only: both ends of HTTP/2, and ends that do it wrong.
namespace parley::rpc::testing {

// What a user of a stream is to do, and what it was told.
struct Talk {
  bool reads = true;  // each message, as soon as it can
  std::function<void(ByteStream&)> on_open;
  std::function<void(ByteStream&)> on_message;
  std::function<void(ByteStream&)> on_written;
  bool lingers = true;

  ByteStream* stream = nullptr;  // nullptr: gone
  std::vector<std::string> messages;
  int written = 0;
  int reads_done = 0;
  std::optional<CallStatus> ended;
};

class Talker final : public ByteStream::User {
 public:
  Talker(ByteStream& stream, std::shared_ptr<Talk> talk) : stream_(stream), talk_(std::move(talk)) {
    talk_->stream = &stream;
  }
  ~Talker() override { talk_->stream = nullptr; }

 private:
  void OnOpen(const std::string&) override {
    if (talk_->reads) stream_.Read();
    if (talk_->on_open) talk_->on_open(stream_);
  }
  void OnMessage(std::string_view message) override {
    talk_->messages.emplace_back(message);
    if (talk_->reads) stream_.Read();
    if (talk_->on_message) talk_->on_message(stream_);
  }
  void OnWritten() override {
    ++talk_->written;
    if (talk_->on_written) talk_->on_written(stream_);
  }
  void OnReadsDone() override { ++talk_->reads_done; }
  bool Lingers() const override { return talk_->lingers; }
  void OnBroken(const CallStatus& status) override { talk_->ended = status; }

  ByteStream& stream_;
  const std::shared_ptr<Talk> talk_;
};

// A port that speaks HTTP/2, or gives the sockets away.
class Http2Test : public ::testing::Test {
 protected:
  Http2Test() {
    options_.keepalive = options_.keepalive_timeout = std::chrono::hours(1);
    listener_.emplace(loop_, "127.0.0.1:0", [this](int fd, const std::string&) { Take(fd); });
  }
  ~Http2Test() override {
    for (const auto& connection : dialled_) connection->Close();
    for (const auto& connection : accepted_) connection->Close();
    for (const int fd : raw_) ::close(fd);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(listener_->port()); }
  std::shared_ptr<Http2> Dial() { return dialled_.emplace_back(Http2::Dial(loop_, address(), {}, options_)); }
  std::shared_ptr<Talk> Call(Http2& connection, std::shared_ptr<Talk> talk = std::make_shared<Talk>()) {
    auto& stream = connection.Call("/test/Method");
    stream.Use(std::make_unique<Talker>(stream, talk));
    return talk;
  }
  void Until(const std::function<bool()>& done) { RunUntil(loop_, done); }
  // How often the limit was.
  double Reached(const std::string& limit) {
    return metrics_.Counter("parley_rpc_limits_total", "A limit between services was reached", {{"limit", limit}})
        .Value();
  }

  Loop loop_;
  telemetry::Metrics metrics_;
  Http2::Options options_{Counted(metrics_)};
  bool serves_ = true;
  std::shared_ptr<const PipeTls> tls_;                               // of who accepts
  std::function<void(Talk&)> prepare_;                               // a call that comes
  std::function<bool(const Http2::Request&, ByteStream&)> on_call_;  // true: it was seen to
  std::vector<std::shared_ptr<Talk>> calls_;                         // that came
  std::vector<std::shared_ptr<Http2>> accepted_, dialled_;
  std::vector<int> raw_;  // if it does not serve
  int closed_ = 0;
  std::vector<std::string> problems_;  // of those that never were greeted

 private:
  static LinkOptions Counted(telemetry::Metrics& metrics) {
    LinkOptions options;
    options.metrics = &metrics;
    return options;
  }
  void Take(int fd) {
    if (!serves_) return raw_.push_back(fd);
    accepted_.push_back(Http2::Accept(
        loop_, fd, tls_, options_,
        [this](const Http2::Request& request, ByteStream& stream) {
          if (on_call_ && on_call_(request, stream)) return;
          auto talk = calls_.emplace_back(std::make_shared<Talk>());
          if (prepare_) prepare_(*talk);
          stream.Use(std::make_unique<Talker>(stream, talk));
        },
        [this](const std::string& problem) {
          ++closed_;
          if (!problem.empty()) problems_.push_back(problem);
        }));
  }

  std::optional<net::Listener> listener_;
};

struct RawFrame {
  int type;
  int flags;
  std::uint32_t stream;
  std::string payload;
};

inline constexpr int kData = 0, kHeaders = 1, kRst = 3, kSettings = 4, kPing = 6, kGoaway = 7, kWindowUpdate = 8,
                     kContinuation = 9;
inline constexpr int kEndStream = 1, kAck = 1, kEndHeaders = 4;
inline constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline std::string Big(std::uint64_t number, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(number >> (8 * bytes));
  return text;
}
inline std::string Frame(int type, int flags, std::uint32_t stream, const std::string& payload = "") {
  return Big(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) + Big(stream, 4) + payload;
}
inline std::string Message(const std::string& bytes) { return Big(0, 1) + Big(bytes.size(), 4) + bytes; }
// Fields as literals (RFC 7541 section 6.2.2), not longer than 126 bytes.
inline std::string Literal(const std::string& name, const std::string& value) {
  return Big(0, 1) + Big(name.size(), 1) + name + Big(value.size(), 1) + value;
}
inline std::string RequestFields(const std::string& method = "/test/Method") {
  return Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":path", method) +
         Literal(":authority", "test") + Literal("te", "trailers") + Literal("content-type", "application/grpc");
}
inline std::string RawRequest(std::uint32_t id, int flags = 0, const std::string& method = "/test/Method") {
  return Frame(kHeaders, kEndHeaders | flags, id, RequestFields(method));
}
inline std::string Setting(int id, std::uint32_t value) { return Big(id, 2) + Big(value, 4); }

// An end that says whatever bytes it likes.
class RawPeer {
 public:
  explicit RawPeer(int fd) : fd_(fd) { ::fcntl(fd_, F_SETFL, O_NONBLOCK); }
  explicit RawPeer(const std::string& address, int receive_buffer = 0) : RawPeer(Connect(address, receive_buffer)) {}
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void Say(const std::string& bytes) { out_ += bytes; }
  // The other end said its settings as soon as it could hear us.
  void Greet(const std::string& settings = "") {
    Say(kPreface + Frame(kSettings, 0, 0, settings) + Frame(kSettings, kAck, 0));
  }
  // Sends what it can; false: the other end has gone.
  bool Send() {
    while (!out_.empty() && !gone_) {
      const ssize_t sent = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) break;
      gone_ = sent < 0;
      if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
    }
    return !gone_;
  }
  bool sent() const { return out_.empty(); }
  // Both ways.
  void Turn() {
    Send();
    char buffer[65536];
    ssize_t got = 0;
    while ((got = ::recv(fd_, buffer, sizeof buffer, 0)) > 0) in_.append(buffer, static_cast<std::size_t>(got));
    if (got == 0 || errno != EAGAIN) gone_ = true;
    Cut();
  }
  bool gone() const { return gone_; }
  std::vector<RawFrame> frames;
  bool Got(int type, std::uint32_t stream = 0, int flags = 0) {
    Turn();
    return std::any_of(frames.begin(), frames.end(), [&](const RawFrame& frame) {
      return frame.type == type && frame.stream == stream && (frame.flags & flags) == flags;
    });
  }

  static int Connect(const std::string& address, int receive_buffer = 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return fd;
  }

 private:
  static std::uint32_t Number(std::string_view bytes) {
    std::uint32_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
  }
  void Cut() {
    constexpr std::size_t kHead = 9;
    if (in_.starts_with("PRI ") && in_.size() >= sizeof kPreface - 1) in_.erase(0, sizeof kPreface - 1);
    while (in_.size() >= kHead) {
      const std::size_t length = Number(std::string_view(in_).substr(0, 3));
      if (in_.size() < kHead + length) return;
      frames.push_back({in_[3], in_[4], Number(std::string_view(in_).substr(5, 4)), in_.substr(kHead, length)});
      in_.erase(0, kHead + length);
    }
  }

  int fd_;
  bool gone_ = false;
  std::string out_;
  std::string in_;
};

}  // namespace parley::rpc::testing

#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "libs/rpc/http2.h"
#include "libs/rpc/http2_stream.h"

namespace parley::rpc {

// What Http2 does, for both sides.
class Http2Connection final : public Http2, public Pipe::Owner, public std::enable_shared_from_this<Http2Connection> {
 public:
  enum class Side { kClient, kServer };
  Http2Connection(Loop& loop, Side side, const Options& options) : loop_(loop), side_(side), options_(options) {}
  ~Http2Connection() override { Close(); }

  void Dial(const std::string& address, const DialIdentity& identity);
  void Accept(int fd, std::shared_ptr<const PipeTls> tls, OnCall on_call, Closed closed);

  ByteStream& Call(const std::string& method) override;
  bool closing() const override { return broken_ || refusing_; }
  void Close() override;

  // ---- for its streams
  Loop& loop() { return loop_; }
  const Options& options() const { return options_; }
  bool accepts() const { return side_ == Side::kServer; }
  void Resume(std::int32_t id);
  void Answer(std::int32_t id);
  void AnswerAtOnce(std::int32_t id, const CallStatus& status);
  void SendTrailers(std::int32_t id, const CallStatus& status);
  void Reset(std::int32_t id, std::uint32_t error_code);
  // The peer takes more of it now.
  bool HasWindow(std::int32_t id) const;
  void Consume(std::int32_t id, std::size_t bytes);
  void TellWhenDrained(std::shared_ptr<Http2Stream> stream) { draining_.push_back(std::move(stream)); }
  // Something came for it, to be delivered when the peer is known to be there behind it.
  void Arrived(std::shared_ptr<Http2Stream> stream) { arrived_.push_back(std::move(stream)); }
  // The peer may have given us up before it said what came: see Doubt(). An answer counts even if it is the last word.
  bool doubts() const { return doubts_ && (!broken_ || accepts()); }
  // What its streams keep of what came.
  std::uint64_t& unread_bytes() { return unread_bytes_; }
  void Forget(const Http2Stream& stream);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kHeaderOverhead = 32;  // of each field (RFC 9113 section 6.5.2)
  struct FreeSession {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  // nghttp2 calls these (http2_callbacks.cc).
  struct Callbacks;

  void OnConnected() override;
  void OnBytes(std::string_view bytes) override;
  void OnPause() override;
  void OnDrained() override;
  void OnClosed(const std::string& reason) override { Break(reason); }

  void MakeSession();
  // What a stream says, of the stream.
  nghttp2_data_provider Body();
  void Greet();
  // It has to be done with the greetings in time.
  void AwaitGreeting();
  void OnGreeted();
  void SubmitSoon();
  void Submit(const std::shared_ptr<Http2Stream>& stream);
  void OnRequest(const std::shared_ptr<Http2Stream>& stream);
  // What is no call of gRPC.
  void Refuse(std::int32_t id, const std::string& http_status);
  std::shared_ptr<Http2Stream> Find(std::int32_t id) const;
  // nghttp2 has ended it, and told the peer.
  bool over() const;
  bool Unheard(std::size_t bytes);
  using Streams = std::vector<std::shared_ptr<Http2Stream>>;
  // Those that are there now; the list is empty before the first is called, and keeps its memory.
  void ForEachOf(Streams& streams, void (Http2Stream::*call)());
  // At the end of the turn: never from inside nghttp2, nor of a stream's method.
  void PlanSaying();
  void Say();
  void Doubt();
  void OnPingAnswered(const std::uint8_t* number);
  void Fail(int nghttp2_error);
  void Watch(std::chrono::milliseconds delay);
  void CheckPeer();
  void Break(const std::string& reason);

  Loop& loop_;
  const Side side_;
  const Options options_;
  DialIdentity identity_;
  std::string authority_;
  OnCall on_call_;
  Closed closed_;
  std::shared_ptr<Http2Connection> self_;  // while there are calls that we made
  std::unique_ptr<Pipe> pipe_;
  std::unique_ptr<nghttp2_session, FreeSession> session_;
  bool broken_ = false;
  bool refusing_ = false;  // the peer goes away
  bool saying_planned_ = false;
  bool greeted_ = false;  // the peer's settings have come

  std::vector<std::shared_ptr<Http2Stream>> unsent_;  // calls made before it was greeted
  std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  Streams arrived_;
  Streams draining_;
  Streams spare_streams_;  // empty
  std::uint64_t unread_bytes_ = 0;
  std::uint64_t unheard_bytes_ = 0;  // that came since the peer last took all that we said
  std::size_t header_bytes_ = 0;     // of the header fields that are coming
  // Of the request whose header fields are coming.
  struct {
    std::string http_method;
    std::string path;
    std::string content_type;
    std::string authorization;
  } fields_;

  Loop::Timer greeting_;
  Loop::Timer watch_;
  Clock::time_point watch_due_;
  Clock::time_point last_heard_;
  bool pinged_ = false;
  bool doubts_ = false;
  std::uint64_t doubt_ = 0;  // number of the last one, which its ping carries
};

}  // namespace parley::rpc

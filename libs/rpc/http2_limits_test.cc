#include <gtest/gtest.h>

#include "libs/rpc/grpc_wire.h"
#include "libs/rpc/http2_testing.h"
#include "libs/rpc/protocol.h"
#include "libs/rpc/server.h"
#include "libs/rpc/transport.h"
#include "libs/rpc/unary_client.h"

// The limits of `link` that a peer can run into: what it costs whom, and that it is counted.
namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using namespace testing;

using Http2LimitsTest = Http2Test;

TEST_F(Http2LimitsTest, WhoeverDoesNotGreetInTimeIsDropped) {
  options_.hello_timeout = 50ms;
  RawPeer silent(address()), slow(address());
  const std::string preface = kPreface + Frame(kSettings, 0, 0);
  std::size_t said = 0;
  // A byte now and then is no silence.
  const auto drip = loop_.Every(10ms, [&] {
    if (said + 1 < preface.size()) slow.Say(preface.substr(said++, 1));
    slow.Turn();
  });
  Until([&] { return closed_ == 2; });
  EXPECT_EQ(problems_, std::vector<std::string>(2, "no greeting of HTTP/2 in time"));
  EXPECT_EQ(Reached("hello_time"), 2);
}

TEST_F(Http2LimitsTest, WhoeverHasGreetedMayBeSilent) {
  options_.hello_timeout = 50ms;
  RawPeer peer(address());
  peer.Greet();
  Until([&] { return peer.Got(kSettings); });
  RunFor(loop_, 100ms);
  EXPECT_EQ(closed_, 0);
  const auto talk = Call(*Dial());
  RunFor(loop_, 100ms);
  EXPECT_FALSE(talk->ended);
}

TEST_F(Http2LimitsTest, WhatIsNoHttp2IsAProblem) {
  RawPeer browser(address());
  browser.Say("GET / HTTP/1.1\r\nHost: parley\r\n\r\n");
  Until([&] {
    browser.Turn();
    return closed_ == 1;
  });
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(Http2LimitsTest, MessageThatIsTooLargeCostsItsCallAlone) {
  const auto generous = options_;
  options_.max_message_bytes = 1000;
  const auto connection = dialled_.emplace_back(Http2::Dial(loop_, address(), {}, generous));
  auto huge = std::make_shared<Talk>();
  huge->on_open = [](ByteStream& stream) { stream.WriteBytes(std::string(1001, 'x')); };
  Call(*connection, huge);
  Until([&] { return huge->ended.has_value(); });
  EXPECT_EQ(huge->ended->code, CallStatus::kResourceExhausted);
  EXPECT_TRUE(calls_[0]->messages.empty());
  EXPECT_EQ(Reached("message_bytes"), 1);

  auto large = std::make_shared<Talk>();
  large->on_open = [](ByteStream& stream) { stream.WriteBytes(std::string(1000, 'x')); };
  Call(*connection, large);
  Until([&] { return calls_.size() == 2 && calls_[1]->messages.size() == 1; });
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(Http2LimitsTest, AnswerThatIsTooLargeIsNotAskedForAgain) {
  prepare_ = [](Talk& talk) {
    talk.on_message = [](ByteStream& stream) { stream.WriteBytes(std::string(1001, 'x')); };
  };
  UnaryClient::Options options;
  options.discovery.targets = {address()};
  options.link.max_message_bytes = 1000;
  UnaryClient client(loop_, options);
  std::optional<Result<std::string>> answer;
  client.CallRaw("/test/Method", "well?", 5s, UnaryClient::InDoubt::kRepeat,
                 [&](Result<std::string> got) { answer = std::move(got); });
  Until([&] { return answer.has_value(); });
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().message(), "a message is larger than link.max_message_bytes");
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(Http2LimitsTest, WhatIsUnreadIsLimited) {
  options_.max_unread_bytes = 100'000;
  prepare_ = [](Talk& talk) { talk.reads = false; };
  RawPeer peer(address());
  peer.Greet();
  const std::string large = Message(std::string(1'000'000, 'x'));
  const std::string part = large.substr(0, 16384);
  for (const std::uint32_t id : {1, 3, 5}) {
    peer.Say(RawRequest(id) + Frame(kData, 0, id, part) + Frame(kData, 0, id, part));
  }
  peer.Say(Frame(kPing, 0, 0, "12345678"));
  Until([&] { return peer.Got(kPing, 0, kAck); });
  EXPECT_EQ(Reached("unread_bytes"), 0);
  // What others say behind it does them no harm.
  peer.Say(Frame(kData, 0, 3, part) + Frame(kData, 0, 1, "x") + Frame(kData, 0, 5, "x"));
  Until([&] { return peer.Got(kHeaders, 3, kEndStream) && calls_[1]->ended; });
  EXPECT_EQ(Reached("unread_bytes"), 1);
  EXPECT_FALSE(calls_[0]->ended || calls_[2]->ended);
  // There is room again.
  peer.Say(Frame(kData, 0, 5, part) + Frame(kPing, 0, 0, "87654321"));
  Until([&] { return peer.Got(kPing, 0, kAck) && peer.frames.back().payload == "87654321"; });
  EXPECT_EQ(Reached("unread_bytes"), 1);
}

TEST_F(Http2LimitsTest, CallsThatWereHandledLeaveRoom) {
  options_.max_unread_bytes = 100'000;
  prepare_ = [](Talk& talk) { talk.lingers = false; };
  const auto connection = Dial();
  for (int i = 0; i < 5; ++i) {
    auto talk = std::make_shared<Talk>();
    talk->on_open = [](ByteStream& stream) {
      stream.WriteBytes(std::string(90'000, 'x'));
      stream.Finish();
    };
    Call(*connection, talk);
    Until([&] { return talk->ended.has_value(); });
    EXPECT_TRUE(talk->ended->ok()) << talk->ended->message;
  }
}

TEST_F(Http2LimitsTest, MessagesThatWereHandledLeaveRoomForOtherCalls) {
  options_.max_unread_bytes = 100'000;
  const auto connection = Dial();
  std::vector<std::shared_ptr<Talk>> talks;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& talk = talks.emplace_back(Call(*connection));
    talk->stream->WriteBytes(std::string(90'000, 'x'));
    Until([&] { return talk->ended || (calls_.size() > i && calls_[i]->messages.size() == 1); });
    ASSERT_FALSE(talk->ended) << talk->ended->message;
  }
}

TEST_F(Http2LimitsTest, CallsThatEndUnreadLeaveRoom) {
  options_.max_unread_bytes = 100'000;
  prepare_ = [](Talk& talk) { talk.reads = false; };
  RawPeer peer(address());
  peer.Greet();
  const std::string part = Message(std::string(1'000'000, 'x')).substr(0, 16384);
  for (const std::uint32_t id : {1, 3, 5}) {
    peer.Say(RawRequest(id));
    for (int i = 0; i < 5; ++i) peer.Say(Frame(kData, 0, id, part));
    peer.Say(Frame(kRst, 0, id, Big(8, 4)));
  }
  peer.Say(Frame(kPing, 0, 0, "12345678"));
  Until([&] { return peer.Got(kPing, 0, kAck); });
  EXPECT_EQ(calls_.size(), 3u);
  EXPECT_EQ(Reached("unread_bytes"), 0);
}

TEST_F(Http2LimitsTest, MoreCallsThanAreAllowedAreCounted) {
  options_.max_calls = 2;
  RawPeer peer(address());
  peer.Greet();
  peer.Say(RawRequest(1) + RawRequest(3) + RawRequest(5));
  Until([&] {
    peer.Turn();
    return Reached("calls") > 0;
  });
  EXPECT_LE(calls_.size(), 2u);
}

TEST_F(Http2LimitsTest, WhatIsSaidOfTheEndIsCut) {
  on_call_ = [&](const Http2::Request&, ByteStream& stream) {
    stream.Finish({CallStatus::kPermissionDenied, std::string(100'000, 'x')});
    return true;
  };
  const auto talk = Call(*Dial());
  Until([&] { return talk->ended.has_value(); });
  EXPECT_EQ(talk->ended->code, CallStatus::kPermissionDenied);
  EXPECT_EQ(talk->ended->message, std::string(kMaxStatusText, 'x'));
}

// It never heard of the calls, so they may be made elsewhere, whatever they are.
TEST_F(Http2LimitsTest, CallsOnAConnectionThatIsRefusedWereNeverSent) {
  serves_ = false;
  const auto talk = Call(*Dial());
  Until([&] { return raw_.size() == 1; });
  ::close(std::exchange(raw_, {})[0]);
  Until([&] { return talk->ended.has_value(); });
  EXPECT_TRUE(talk->ended->never_sent) << talk->ended->message;
}

class ServerLimitsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Server> Serve(std::uint32_t max_connections) {
    LinkOptions options;
    options.max_connections = max_connections;
    options.metrics = &metrics_;
    return std::make_unique<Server>(loop_, Self{"router", "router-1", "e"}, "127.0.0.1:0", options, Methods(), nullptr);
  }
  // A link.
  static void GreetAsEdge(RawPeer& peer) {
    link::v1::Frame frame;
    auto& hello = *frame.mutable_hello();
    hello.set_protocol(kProtocols.newest);
    hello.set_oldest_protocol(kProtocols.oldest);
    hello.set_service("c2s");
    hello.set_instance("c2s-1");
    hello.set_epoch("e");
    hello.set_window(1000);
    hello.set_window_bytes(1000);
    peer.Greet();
    peer.Say(RawRequest(1, 0, kExchangeMethod) + Frame(kData, 0, 1, Message(frame.SerializeAsString())));
  }
  static std::string FieldOfFrame(int number, const std::string& bytes) {
    std::string field(1, static_cast<char>(number << 3 | 2));
    for (std::size_t left = bytes.size();; left >>= 7) {
      field += static_cast<char>((left & 127) | (left > 127 ? 128 : 0));
      if (left <= 127) return field + bytes;
    }
  }
  double Metric(const std::string& line) {
    const std::string text = metrics_.Text();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }

  Loop loop_;
  telemetry::Metrics metrics_;
};

TEST_F(ServerLimitsTest, ConnectionsBeyondTheLimitAreRefused) {
  constexpr char kRefused[] = "parley_rpc_limits_total{limit=\"connections\"}";
  const auto server = Serve(2);
  const std::string address = "127.0.0.1:" + std::to_string(server->port());
  RawPeer first(address);
  first.Greet();
  RunUntil(loop_, [&] { return first.Got(kSettings, 0, kAck); });
  {
    RawPeer second(address);
    second.Greet();
    RunUntil(loop_, [&] { return second.Got(kSettings, 0, kAck); });
    EXPECT_EQ(Metric("parley_rpc_connections"), 2);
    RawPeer third(address);
    RunUntil(loop_, [&] {
      third.Turn();
      return third.gone();
    });
    EXPECT_EQ(Metric(kRefused), 1);
    EXPECT_EQ(Metric("parley_rpc_connections"), 2);
  }
  // Who leaves makes room.
  RunUntil(loop_, [&] { return Metric("parley_rpc_connections") == 1; });
  RawPeer fourth(address);
  fourth.Greet();
  RunUntil(loop_, [&] { return fourth.Got(kSettings, 0, kAck); });
  EXPECT_FALSE(first.gone());
  EXPECT_EQ(Metric(kRefused), 1);
  EXPECT_EQ(Metric("parley_rpc_handshakes_failed_total"), 0);
}

TEST_F(ServerLimitsTest, WhoIsRefusedAsksAnother) {
  const auto full = Serve(0);
  Methods methods;
  methods.Unary<link::v1::Request, link::v1::Reply>(
      "/test/Method", [](const auto&, Respond<link::v1::Reply> respond) { respond(link::v1::Reply()); });
  Server free(loop_, Self{"router", "router-2", "e"}, "127.0.0.1:0", {}, std::move(methods), nullptr);
  UnaryClient::Options options;
  for (const int port : {full->port(), free.port()}) {
    options.discovery.targets.push_back("127.0.0.1:" + std::to_string(port));
  }
  UnaryClient client(loop_, options);
  // As many as there are replicas: each is the first for one of them.
  for (int i = 0; i < 2; ++i) {
    std::optional<Result<std::string>> answer;
    client.CallRaw("/test/Method", "", 5s, UnaryClient::InDoubt::kFail,
                   [&](Result<std::string> got) { answer = std::move(got); });
    RunUntil(loop_, [&] { return answer.has_value(); });
    EXPECT_TRUE(*answer) << answer->error().message();
  }
  EXPECT_GE(Metric("parley_rpc_limits_total{limit=\"connections\"}"), 1);
}

// Small on the way, large once parsed.
TEST_F(ServerLimitsTest, FrameWithTooMuchInItEndsTheLink) {
  constexpr std::uint32_t kLimit = 1000;
  LinkOptions options;
  options.max_items = kLimit;
  options.metrics = &metrics_;
  Recorder handler;
  Server server(loop_, Self{"router", "router-1", "e"}, "127.0.0.1:0", options, Methods(), &handler);
  const std::string envelope = FieldOfFrame(2, ""), ask = FieldOfFrame(5, "");
  std::string envelopes, mixed;
  for (std::uint32_t i = 0; i <= kLimit; ++i) envelopes += envelope;
  for (std::uint32_t i = 0; i <= kLimit / 2; ++i) mixed += envelope + ask;
  const std::string acks = FieldOfFrame(3, std::string(kLimit, '\1'));
  int reached = 0;
  for (const auto& frame : {envelopes, mixed, acks}) {
    RawPeer peer("127.0.0.1:" + std::to_string(server.port()));
    GreetAsEdge(peer);
    RunUntil(loop_, [&] {
      peer.Turn();
      return handler.links.size() == 1;
    });
    peer.Say(Frame(kData, 0, 1, Message(frame)));
    RunUntil(loop_, [&] { return peer.Got(kHeaders, 1, kEndStream) || peer.Got(kRst, 1); });
    EXPECT_TRUE(handler.links.empty());
    EXPECT_EQ(Metric("parley_rpc_limits_total{limit=\"items\"}"), ++reached);
  }
  EXPECT_TRUE(handler.got.empty());
}

TEST_F(ServerLimitsTest, LargeFrameWithLittleInItIsTaken) {
  LinkOptions options;
  options.max_items = 100;
  Recorder handler;
  Server server(loop_, Self{"router", "router-1", "e"}, "127.0.0.1:0", options, Methods(), &handler);
  RawPeer peer("127.0.0.1:" + std::to_string(server.port()));
  GreetAsEdge(peer);
  link::v1::Frame frame;
  for (int i = 1; i <= 100; ++i) {
    frame.mutable_envelopes()->AddAllocated(MakeEnvelope("romeo@home", i).release());
    frame.mutable_envelopes(i - 1)->set_seq(i);
  }
  peer.Say(Frame(kData, 0, 1, Message(frame.SerializeAsString())));
  RunUntil(loop_, [&] {
    peer.Turn();
    return handler.got.size() == 100;
  });
}

TEST_F(ServerLimitsTest, WhoDoesNotReadWhatItAskedForIsNotAnsweredFurther) {
  constexpr char kReached[] = "parley_rpc_limits_total{limit=\"unsent_bytes\"}";
  LinkOptions options;
  options.metrics = &metrics_;
  options.max_unread_bytes = 64 << 20;
  int rows = 0;
  bool stopped = false;
  Methods methods;
  methods.Listing<link::v1::Request, link::v1::Reply>("/test/Method", [&](const auto&, auto writer) {
    link::v1::Reply row;
    row.set_body(std::string(1 << 20, 'x'));
    while (rows < 1000 && writer.Write(row)) ++rows;
    stopped = !writer.Write(row);
  });
  Server server(loop_, Self{"router", "router-1", "e"}, "127.0.0.1:0", options, std::move(methods), nullptr);
  RawPeer peer("127.0.0.1:" + std::to_string(server.port()));
  peer.Greet();
  peer.Say(RawRequest(1) + Frame(kData, kEndStream, 1, Message("")));
  RunUntil(loop_, [&] { return peer.Got(kRst, 1); });
  EXPECT_TRUE(stopped);
  EXPECT_LT(rows, 100);
  EXPECT_EQ(Metric(kReached), 1);
  EXPECT_EQ(Metric("parley_rpc_calls_total{method=\"Method\",outcome=\"failed\"}"), 1);
}

}  // namespace
}  // namespace parley::rpc

#include <gtest/gtest.h>

#include "libs/rpc/http2_testing.h"

// Peers that do it wrong, by mistake or not: it costs them their call or their connection, and nobody else anything.
namespace parley::rpc {
namespace {

using namespace testing;

class Http2AttackTest : public Http2Test {
 protected:
  // Whatever happened, others are served.
  void ExpectOthersServed() {
    prepare_ = [](Talk& talk) { talk.on_message = [](ByteStream& stream) { stream.WriteBytes("yes"); }; };
    const auto talk = std::make_shared<Talk>();
    talk->on_open = [](ByteStream& stream) { stream.WriteBytes("well?"); };
    Call(*Dial(), talk);
    Until([&] { return talk->messages.size() == 1; });
  }
};

TEST_F(Http2AttackTest, WhoAsksAndNeverReadsIsDropped) {
  constexpr int kSmall = 4096, kPings = 100;  // at a time: fewer than nghttp2 queues
  RawPeer peer(address(), kSmall);
  peer.Greet();
  Until([&] { return peer.Got(kSettings, 0, kAck); });
  std::string pings;
  for (int i = 0; i < kPings; ++i) pings += Frame(kPing, 0, 0, "12345678");
  Until([&] {
    if (peer.sent()) peer.Say(pings);
    return !peer.Send();
  });
  Until([&] { return closed_ == 1; });
  ExpectOthersServed();
}

TEST_F(Http2AttackTest, GarbageEndsTheConnectionAtOnce) {
  RawPeer browser(address()), mad(address());
  browser.Say("GET / HTTP/1.1\r\nHost: parley\r\n\r\n");
  mad.Greet();
  mad.Say(Frame(kData, 0, 0, "of no stream"));
  Until([&] {
    browser.Turn();
    mad.Turn();
    return browser.gone() && mad.gone();
  });
  Until([&] { return closed_ == 2; });
  ExpectOthersServed();
}

TEST_F(Http2AttackTest, TooManyHeaderFieldsCostTheCallAlone) {
  RawPeer peer(address());
  peer.Greet();
  const std::string value(100, 'x');
  std::string many = RequestFields();
  while (many.size() < 16384 - 200) many += Literal("authorization", value);
  std::string more;
  while (more.size() < 4096) more += Literal("authorization", value);
  peer.Say(Frame(kHeaders, 0, 1, many) + Frame(kContinuation, kEndHeaders, 1, more) + RawRequest(3));
  Until([&] { return peer.Got(kRst, 1) && calls_.size() == 1; });
  EXPECT_FALSE(peer.gone());
  EXPECT_EQ(Reached("header_bytes"), 1);
}

TEST_F(Http2AttackTest, CallsThatAreTakenBackAtOnceAreLimited) {
  RawPeer peer(address());
  peer.Greet();
  for (std::uint32_t id = 1; id < 8001; id += 2) peer.Say(RawRequest(id) + Frame(kRst, 0, id, Big(8, 4)));
  Until([&] {
    peer.Turn();
    return peer.gone();
  });
  for (const auto& call : calls_) EXPECT_TRUE(call->ended);
  EXPECT_GT(Reached("flood"), 0);
  ExpectOthersServed();
}

// It is told that the connection ends, but behind what it does not read.
TEST_F(Http2AttackTest, CallsThatAreTakenBackByWhoNeverReadsAreLimited) {
  constexpr int kSmall = 4096, kInitialWindow = 4, kWindow = 1 << 30;
  options_.max_calls = 10;
  options_.max_unread_bytes = 1 << 20;
  prepare_ = [](Talk& talk) {
    talk.on_open = [](ByteStream& stream) { stream.WriteBytes(std::string(32 << 20, 'x')); };
  };
  RawPeer peer(address(), kSmall);
  peer.Greet(Setting(kInitialWindow, kWindow));
  peer.Say(Frame(kWindowUpdate, 0, 0, Big(kWindow, 4)) + RawRequest(1));
  Until([&] {
    peer.Send();
    return calls_.size() == 1;
  });
  prepare_ = [](Talk&) {};
  std::uint32_t id = 3;
  Until([&] {
    for (int i = 0; i < 1000 && peer.sent(); ++i, id += 2) {
      peer.Say(RawRequest(id) + Frame(kRst, 0, id, Big(8, 4)));
      peer.Send();
    }
    return !peer.Send();
  });
  Until([&] { return closed_ == 1; });
  EXPECT_EQ(Reached("flood"), 1);
  prepare_ = {};
  ExpectOthersServed();
}

TEST_F(Http2AttackTest, WhatIsNoMessageEndsTheCall) {
  RawPeer peer(address());
  peer.Greet();
  const std::string compressed = Big(1, 1) + Big(2, 4) + "ab", huge = Big(0, 1) + Big(0xFFFFFFFF, 4);
  peer.Say(RawRequest(1) + Frame(kData, 0, 1, compressed) + RawRequest(3) + Frame(kData, 0, 3, huge));
  Until([&] { return peer.Got(kHeaders, 1, kEndStream) && peer.Got(kHeaders, 3, kEndStream); });
  Until([&] { return calls_[0]->ended && calls_[1]->ended; });
  EXPECT_FALSE(peer.gone());
}

TEST_F(Http2AttackTest, WhatIsNoMessageBehindOneThatIsUnreadIsNoEnd) {
  prepare_ = [](Talk& talk) { talk.reads = false; };
  RawPeer peer(address());
  peer.Greet();
  const std::string compressed = Big(1, 1) + Big(2, 4) + "ab";
  peer.Say(RawRequest(1) + Frame(kData, kEndStream, 1, Message("well") + compressed));
  peer.Say(RawRequest(3) + Frame(kData, kEndStream, 3, Message("well") + Message("cut off").substr(0, 8)));
  peer.Say(Frame(kPing, 0, 0, "12345678"));
  Until([&] { return peer.Got(kPing, 0, kAck); });
  ASSERT_EQ(calls_.size(), 2u);
  for (const auto& call : calls_) {
    call->reads = true;
    call->stream->Read();
  }
  Until([&] { return calls_[0]->ended && calls_[1]->ended; });
  for (const auto& call : calls_) {
    EXPECT_EQ(call->messages, std::vector<std::string>{"well"});
    EXPECT_EQ(call->reads_done, 0);
  }
}

TEST_F(Http2AttackTest, WindowIsGivenBackToWhoeverIsReadLate) {
  constexpr std::size_t kWindow = 4 << 20, kFrame = 16384;
  prepare_ = [](Talk& talk) { talk.reads = false; };
  RawPeer peer(address());
  peer.Greet();
  peer.Say(RawRequest(1));
  const std::string all = Message("small") + Message(std::string(2 * kWindow, 'x'));
  for (std::size_t at = 0; at < kWindow; at += kFrame) peer.Say(Frame(kData, 0, 1, all.substr(at, kFrame)));
  peer.Say(Frame(kPing, 0, 0, "12345678"));
  Until([&] { return peer.Got(kPing, 0, kAck); });
  ASSERT_EQ(calls_.size(), 1u);
  calls_[0]->reads = true;
  calls_[0]->stream->Read();
  Until([&] { return peer.Got(kWindowUpdate, 1); });
  EXPECT_EQ(calls_[0]->messages, std::vector<std::string>{"small"});
}

TEST_F(Http2AttackTest, CallThatCannotEndForWantOfWindowIsReset) {
  constexpr int kInitialWindow = 4;
  prepare_ = [](Talk& talk) {
    talk.on_open = [](ByteStream& stream) { stream.WriteBytes("12345"); };
    talk.on_written = [](ByteStream& stream) { stream.Finish(); };
  };
  RawPeer peer(address());
  peer.Greet(Setting(kInitialWindow, 10));
  peer.Say(RawRequest(1));
  Until([&] { return peer.Got(kData, 1) && calls_[0]->written == 1; });
  calls_[0]->stream->Abort("too slow");
  Until([&] { return peer.Got(kRst, 1); });
  Until([&] { return calls_[0]->ended.has_value(); });
}

TEST_F(Http2AttackTest, HalfAMessageWithinAnAbortIsReset) {
  constexpr int kInitialWindow = 4;
  prepare_ = [](Talk& talk) { talk.on_open = [](ByteStream& stream) { stream.WriteBytes(std::string(100, 'x')); }; };
  RawPeer peer(address());
  peer.Greet(Setting(kInitialWindow, 10));
  peer.Say(RawRequest(1));
  Until([&] { return peer.Got(kData, 1); });
  calls_[0]->stream->Abort("enough");
  Until([&] { return peer.Got(kRst, 1) && calls_[0]->ended; });
  EXPECT_EQ(calls_[0]->ended->message, "enough");
}

TEST_F(Http2AttackTest, NothingComesAfterClosingWithinACall) {
  int came = 0;
  on_call_ = [&](const Http2::Request&, ByteStream&) {
    ++came;
    accepted_[0]->Close();
    return true;
  };
  RawPeer peer(address());
  peer.Greet();
  peer.Say(RawRequest(1) + RawRequest(3) + RawRequest(5));
  Until([&] {
    peer.Turn();
    return peer.gone();
  });
  EXPECT_EQ(came, 1);
}

// As a process finds it that stood still: the peer has given it up since, and told others.
TEST_F(Http2AttackTest, WhatAPeerSaidThatHasGoneIsNotActedOn) {
  {
    RawPeer peer(address());
    peer.Greet();
    peer.Say(RawRequest(1) + Frame(kData, 0, 1, Message("old")));
    ASSERT_TRUE(peer.Send() && peer.sent());
  }
  Until([&] { return closed_ == 1; });
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_TRUE(calls_[0]->messages.empty());
  EXPECT_TRUE(calls_[0]->ended);
}

// Unless it had said all.
TEST_F(Http2AttackTest, WhatAPeerSaidToItsEndCounts) {
  {
    RawPeer peer(address());
    peer.Greet();
    peer.Say(RawRequest(1) + Frame(kData, kEndStream, 1, Message("last")));
    ASSERT_TRUE(peer.Send() && peer.sent());
  }
  Until([&] { return closed_ == 1; });
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_EQ(calls_[0]->messages, std::vector<std::string>{"last"});
}

// So long that it may have given us up, if it was we who were silent, before it said what comes now. Its answer to a
// ping would come behind it.
class Http2SilenceTest : public Http2Test {
 protected:
  static constexpr std::chrono::milliseconds kSilence{50};
  Http2SilenceTest() { options_.keepalive_timeout = kSilence; }

  // A call, and silence; then a message comes.
  void SaySomethingLate(RawPeer& peer, std::uint8_t flags = 0) {
    peer.Greet();
    peer.Say(RawRequest(1));
    Until([&] {
      peer.Turn();
      return calls_.size() == 1;
    });
    RunFor(loop_, 2 * kSilence);
    peer.Say(Frame(kData, flags, 1, Message("late")));
    Until([&] { return peer.Got(kPing); });
    RunFor(loop_, std::chrono::milliseconds(10));
    EXPECT_TRUE(calls_[0]->messages.empty());
  }
  static void AnswerPings(RawPeer& peer, const std::vector<RawFrame>& frames) {
    for (const auto& frame : frames) {
      if (frame.type == kPing) peer.Say(Frame(kPing, kAck, 0, frame.payload));
    }
  }
};

TEST_F(Http2SilenceTest, WhatComesAfterItCountsOnceThePeerAnswers) {
  RawPeer peer(address());
  SaySomethingLate(peer);
  Until([&] {
    AnswerPings(peer, std::exchange(peer.frames, {}));
    peer.Turn();
    return !calls_[0]->messages.empty();
  });
  EXPECT_EQ(calls_[0]->messages, std::vector<std::string>{"late"});
}

// It is as old as what it was to vouch for. One that always reads so late would doubt for ever.
TEST_F(Http2SilenceTest, AnAnswerFromBeforeAnotherOneEndsTheConnection) {
  RawPeer peer(address());
  SaySomethingLate(peer);
  EXPECT_EQ(Reached("silence"), 1);
  RunFor(loop_, 2 * kSilence);
  AnswerPings(peer, std::exchange(peer.frames, {}));
  peer.Say(Frame(kData, 0, 1, Message("later")));
  Until([&] {
    peer.Turn();
    return peer.gone();
  });
  EXPECT_TRUE(calls_[0]->ended);
  EXPECT_TRUE(calls_[0]->messages.empty());
}

TEST_F(Http2SilenceTest, WhatComesAfterItFromWhoHasGoneCountsNot) {
  {
    RawPeer peer(address());
    SaySomethingLate(peer);
  }
  Until([&] { return calls_[0]->ended.has_value(); });
  EXPECT_TRUE(calls_[0]->messages.empty());
}

// Also if it had said all: it may have asked another since, and the user something else.
TEST_F(Http2SilenceTest, AWholeRequestAfterItFromWhoHasGoneCountsNot) {
  {
    RawPeer peer(address());
    SaySomethingLate(peer, kEndStream);
  }
  Until([&] { return calls_[0]->ended.has_value(); });
  EXPECT_TRUE(calls_[0]->messages.empty());
}

TEST_F(Http2AttackTest, OtherThanGrpcIsToldSo) {
  RawPeer peer(address());
  peer.Greet();
  const std::string common = Literal(":scheme", "http") + Literal(":path", "/") + Literal(":authority", "test");
  const std::string post = Literal(":method", "POST") + common;
  const std::vector<std::string> requests{Literal(":method", "GET") + common, post,
                                          post + Literal("content-type", "text/plain"),
                                          post + Literal("content-type", "application/grpc-web")};
  std::uint32_t id = 1;
  for (const auto& request : requests) {
    peer.Say(Frame(kHeaders, kEndHeaders | kEndStream, id, request));
    Until([&] { return peer.Got(kHeaders, id, kEndStream); });
    id += 2;
  }
  constexpr char kStatus200 = '\x88';  // RFC 7541 appendix A
  for (const auto& frame : peer.frames) {
    if (frame.type == kHeaders) {
      EXPECT_NE(frame.payload.front(), kStatus200);
    }
  }
  EXPECT_TRUE(calls_.empty());
}

}  // namespace
}  // namespace parley::rpc

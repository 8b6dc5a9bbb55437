#include "libs/rpc/http2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/rpc/http2_testing.h"
#include "libs/rpc/unary_client.h"

namespace parley::rpc {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kMoreThanTheWindow = 20 << 20;

std::shared_ptr<Talk> Saying(const std::string& message) {
  auto talk = std::make_shared<Talk>();
  talk->on_open = [message](ByteStream& stream) { stream.WriteBytes(message); };
  return talk;
}

// Writes each message back.
void Echo(Talk& talk) {
  talk.on_message = [&talk](ByteStream& stream) { stream.WriteBytes(talk.messages.back()); };
}

TEST_F(Http2Test, MessagesLargerThanTheWindowGoBothWays) {
  prepare_ = Echo;
  std::string message(kMoreThanTheWindow, 'x');
  message.back() = 'y';
  const auto talk = Call(*Dial(), Saying(message));
  Until([&] { return talk->messages.size() == 1; });
  EXPECT_TRUE(talk->messages[0] == message);
  Until([&] { return talk->written == 1 && calls_[0]->written == 1; });
}

TEST_F(Http2Test, ACallMayBeFinishedBeforeItIsConnected) {
  prepare_ = [](Talk& talk) { talk.lingers = false; };
  const auto connection = Dial();
  const auto talk = Call(*connection);
  talk->stream->WriteBytes("all there is");
  talk->stream->Finish();
  Until([&] { return talk->ended.has_value(); });
  EXPECT_TRUE(talk->ended->ok());
  EXPECT_THAT(calls_[0]->messages, ElementsAre("all there is"));
  EXPECT_EQ(calls_[0]->reads_done, 1);
}

TEST_F(Http2Test, HowItEndedIsToldExactly) {
  const std::string text = "50% of \"Zürich\"\nis \x7F";
  on_call_ = [&](const Http2::Request&, ByteStream& stream) {
    stream.Finish({CallStatus::kPermissionDenied, text});
    return true;
  };
  const auto talk = Call(*Dial());
  Until([&] { return talk->ended.has_value(); });
  EXPECT_EQ(talk->ended->code, CallStatus::kPermissionDenied);
  EXPECT_EQ(talk->ended->message, text);
}

TEST_F(Http2Test, MethodThatNobodyTakesIsUnimplemented) {
  on_call_ = [&](const Http2::Request&, ByteStream&) { return true; };
  const auto talk = Call(*Dial(), Saying("well?"));
  Until([&] { return talk->ended.has_value(); });
  EXPECT_EQ(talk->ended->code, CallStatus::kUnimplemented);
}

TEST_F(Http2Test, WhatCameBeforeTheEndIsReadFirst) {
  prepare_ = [](Talk& talk) {
    talk.on_open = [](ByteStream& stream) { stream.WriteBytes("1"); };
    talk.on_written = [&talk](ByteStream& stream) {
      talk.written < 3 ? stream.WriteBytes(std::to_string(talk.written + 1)) : stream.Finish();
    };
  };
  auto talk = std::make_shared<Talk>();
  talk->reads = false;
  Call(*Dial(), talk);
  Until([&] { return !calls_.empty() && calls_[0]->ended; });
  EXPECT_FALSE(talk->ended);
  talk->reads = true;
  talk->stream->Read();
  Until([&] { return talk->ended.has_value(); });
  EXPECT_THAT(talk->messages, ElementsAre("1", "2", "3"));
  EXPECT_TRUE(talk->ended->ok());
}

TEST_F(Http2Test, AThousandCallsShareAConnection) {
  constexpr int kCalls = 1000;
  prepare_ = [](Talk& talk) {
    talk.on_message = [&talk](ByteStream& stream) {
      stream.WriteBytes(talk.messages.back());
      stream.Finish();
    };
  };
  const auto connection = Dial();
  std::vector<std::shared_ptr<Talk>> talks;
  for (int i = 0; i < kCalls; ++i) talks.push_back(Call(*connection, Saying(std::to_string(i))));
  for (const auto& talk : talks) Until([&] { return talk->ended.has_value(); });
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_THAT(talks[i]->messages, ElementsAre(std::to_string(i)));
    EXPECT_TRUE(talks[i]->ended->ok());
  }
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(Http2Test, AbortIsToldToBothEnds) {
  const auto talk = Call(*Dial(), Saying("hello"));
  Until([&] { return !calls_.empty() && !calls_[0]->messages.empty(); });
  talk->stream->Abort("enough");
  EXPECT_FALSE(talk->ended);
  Until([&] { return talk->ended && calls_[0]->ended; });
  EXPECT_EQ(talk->ended->message, "enough");

  const auto second = Call(*dialled_[0], Saying("hello"));
  Until([&] { return calls_.size() == 2 && !calls_[1]->messages.empty(); });
  calls_[1]->stream->Abort("not you");
  Until([&] { return second->ended && calls_[1]->ended; });
  EXPECT_EQ(second->ended->code, CallStatus::kFailedPrecondition);
  EXPECT_EQ(second->ended->message, "not you");
}

TEST_F(Http2Test, DetachedFromWithinIsToldNothing) {
  const auto talk = Saying("hello");
  talk->on_message = [](ByteStream& stream) { stream.Detach(); };
  prepare_ = Echo;
  Call(*Dial(), talk);
  Until([&] { return !calls_.empty() && calls_[0]->ended; });
  EXPECT_EQ(talk->messages.size(), 1u);
  EXPECT_EQ(talk->stream, nullptr);
  EXPECT_FALSE(talk->ended);
}

TEST_F(Http2Test, CallsLastTheirConnectionWithoutAnOwner) {
  prepare_ = Echo;
  const auto talk = Call(*Dial(), Saying("hello"));
  const std::weak_ptr<Http2> connection = dialled_[0];
  dialled_.clear();
  Until([&] { return talk->messages.size() == 1; });
  talk->stream->Detach();
  Until([&] { return connection.expired() && closed_ == 1; });
}

TEST_F(Http2Test, NobodyThereIsAFailureToConnect) {
  const auto connection = Http2::Dial(loop_, "127.0.0.1:1", {}, options_);
  const auto talk = Call(*connection);
  Until([&] { return talk->ended.has_value(); });
  EXPECT_EQ(talk->ended->code, CallStatus::kUnavailable);
  EXPECT_THAT(talk->ended->message, StartsWith("failed to connect: "));
  EXPECT_TRUE(connection->closing());
  const auto late = Call(*connection);
  Until([&] { return late->ended.has_value(); });
  EXPECT_THAT(late->ended->message, StartsWith("failed to connect: "));
}

TEST_F(Http2Test, PeerThatGoesAwayHasNotTakenLaterCalls) {
  serves_ = false;
  const auto connection = Dial();
  const auto first = Call(*connection, Saying("1")), second = Call(*connection, Saying("2"));
  Until([&] { return raw_.size() == 1; });
  RawPeer peer(std::exchange(raw_, {})[0]);
  peer.Say(Frame(kSettings, 0, 0));
  Until([&] { return peer.Got(kHeaders, 3); });
  peer.Say(Frame(kGoaway, 0, 0, Big(1, 4) + Big(0, 4)));
  Until([&] {
    peer.Turn();
    return second->ended.has_value();
  });
  EXPECT_THAT(second->ended->message, StartsWith("failed to connect: "));
  EXPECT_FALSE(first->ended);
  EXPECT_TRUE(connection->closing());
  const std::string ok = Literal(":status", "200") + Literal("content-type", "application/grpc");
  peer.Say(Frame(kHeaders, kEndHeaders, 1, ok) + Frame(kData, 0, 1, Message("done")) +
           Frame(kHeaders, kEndHeaders | kEndStream, 1, Literal("grpc-status", "0")));
  Until([&] {
    peer.Turn();
    return first->ended && peer.gone();
  });
  EXPECT_TRUE(first->ended->ok());
  EXPECT_THAT(first->messages, ElementsAre("done"));
}

TEST_F(Http2Test, CallThatThePeerResetsIsUnavailable) {
  serves_ = false;
  const auto talk = Call(*Dial());
  Until([&] { return raw_.size() == 1; });
  RawPeer peer(std::exchange(raw_, {})[0]);
  peer.Say(Frame(kSettings, 0, 0));
  Until([&] { return peer.Got(kHeaders, 1); });
  peer.Say(Frame(kRst, 0, 1, Big(2, 4)));
  Until([&] {
    peer.Turn();
    return talk->ended.has_value();
  });
  EXPECT_EQ(talk->ended->code, CallStatus::kUnavailable);
}

TEST_F(Http2Test, PeerThatIsSilentIsDropped) {
  serves_ = false;
  options_.keepalive = 20ms;
  options_.keepalive_timeout = 20ms;
  const auto talk = Call(*Dial());
  Until([&] { return raw_.size() == 1; });
  RawPeer peer(std::exchange(raw_, {})[0]);
  peer.Say(Frame(kSettings, 0, 0));
  peer.Send();
  Until([&] { return talk->ended.has_value(); });
  EXPECT_EQ(talk->ended->message, "the peer does not answer");
  EXPECT_TRUE(peer.Got(kPing));
}

TEST_F(Http2Test, PeerThatAnswersLivesOn) {
  options_.keepalive = 5ms;
  options_.keepalive_timeout = 10s;
  const auto talk = Call(*Dial());
  RunFor(loop_, 100ms);
  EXPECT_FALSE(talk->ended);
  EXPECT_EQ(closed_, 0);
}

TEST_F(Http2Test, OkWithoutAnAnswerIsAnError) {
  on_call_ = [](const Http2::Request&, ByteStream& stream) {
    stream.Finish();
    return true;
  };
  UnaryClient::Options options;
  options.discovery.targets = {address()};
  UnaryClient client(loop_, options);
  std::optional<Result<std::string>> answer;
  client.CallRaw("/test/Method", "well?", 5s, UnaryClient::InDoubt::kFail,
                 [&](Result<std::string> got) { answer = std::move(got); });
  Until([&] { return answer.has_value(); });
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().message(), "there is no answer");
}

}  // namespace
}  // namespace parley::rpc

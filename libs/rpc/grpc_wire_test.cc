#include "libs/rpc/grpc_wire.h"

#include <gtest/gtest.h>

namespace parley::rpc {
namespace {

constexpr std::size_t kMaxMessage = 64 << 20;

std::string Prefixed(const std::string& message) {
  std::string bytes;
  AppendMessagePrefix(message.size(), bytes);
  return bytes + message;
}

TEST(MessageBufferTest, CutsWhereverTheBytesAreDivided) {
  const std::string all = Prefixed("one") + Prefixed("") + Prefixed(std::string(70000, 'x'));
  for (const std::size_t step : {1u, 3u, 7u, 65536u, 100000u}) {
    MessageBuffer buffer(kMaxMessage);
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < all.size(); at += step) {
      buffer.Add(std::string_view(all).substr(at, step));
      while (const auto message = buffer.Next()) messages.emplace_back(*message);
    }
    ASSERT_EQ(messages.size(), 3u) << step;
    EXPECT_EQ(messages[0], "one");
    EXPECT_EQ(messages[1], "");
    EXPECT_EQ(messages[2].size(), 70000u);
    EXPECT_FALSE(buffer.partial());
    EXPECT_FALSE(buffer.broken());
  }
}

TEST(MessageBufferTest, KnowsWhatIsNoMessage) {
  MessageBuffer compressed(kMaxMessage), huge(kMaxMessage), largest(kMaxMessage), partial(kMaxMessage);
  compressed.Add(std::string("\1\0\0\0\1x", 6));
  EXPECT_TRUE(compressed.broken());
  EXPECT_FALSE(compressed.Next());
  huge.Add(std::string("\0\xFF\xFF\xFF\xFF", 5));
  EXPECT_TRUE(huge.broken());
  largest.Add(std::string("\0\4\0\0\0", 5));
  EXPECT_FALSE(largest.broken());
  partial.Add(Prefixed("half").substr(0, 7));
  EXPECT_FALSE(partial.HasNext());
  EXPECT_TRUE(partial.partial());
}

TEST(MessageBufferTest, WhatIsBrokenShowsOnceItIsNext) {
  MessageBuffer buffer(kMaxMessage);
  buffer.Add(Prefixed("well") + std::string("\1\0\0\0\0", 5));
  EXPECT_FALSE(buffer.broken());
  EXPECT_EQ(buffer.Next(), "well");
  EXPECT_TRUE(buffer.broken());
  EXPECT_FALSE(buffer.HasNext());
}

TEST(StatusMessageTest, IsPercentEncoded) {
  EXPECT_EQ(EncodeStatusMessage("plain text ~"), "plain text ~");
  EXPECT_EQ(EncodeStatusMessage("50%\n\xC3\xBC"), "50%25%0A%C3%BC");
  EXPECT_EQ(DecodeStatusMessage("50%25%0a%C3%BC"), "50%\n\xC3\xBC");
  // What is not well encoded stays.
  for (const std::string text : {"%", "%4", "%zz", "100%"}) EXPECT_EQ(DecodeStatusMessage(text), text);
}

TEST(StatusMessageTest, IsCutBetweenCharacters) {
  const std::string ascii(100000, 'x');
  EXPECT_EQ(DecodeStatusMessage(EncodeStatusMessage(ascii)), ascii.substr(0, kMaxStatusText));
  EXPECT_EQ(DecodeStatusMessage(ascii), ascii.substr(0, kMaxStatusText));
  std::string umlauts = "x";
  while (umlauts.size() < 2 * kMaxStatusText) umlauts += "\xC3\xBC";
  EXPECT_EQ(DecodeStatusMessage(EncodeStatusMessage(umlauts)), umlauts.substr(0, kMaxStatusText - 1));
  EXPECT_EQ(DecodeStatusMessage(umlauts), umlauts.substr(0, kMaxStatusText - 1));
}

TEST(StatusFieldsTest, SayHowItEnded) {
  StatusFields none, ok, failed, proxy, odd;
  none.Take(":status", "200");
  EXPECT_FALSE(none.status());
  ok.Take(":status", "200");
  ok.Take("grpc-status", "0");
  ASSERT_TRUE(ok.status());
  EXPECT_TRUE(ok.status()->ok());
  failed.Take("grpc-message", "no%20%C3%BC");
  failed.Take("grpc-status", "12");
  EXPECT_EQ(failed.status()->code, CallStatus::kUnimplemented);
  EXPECT_EQ(failed.status()->message, "no \xC3\xBC");
  proxy.Take(":status", "502");
  EXPECT_EQ(proxy.status()->code, CallStatus::kUnavailable);
  odd.Take("grpc-status", "what");
  EXPECT_EQ(odd.status()->code, CallStatus::kUnknown);
}

}  // namespace
}  // namespace parley::rpc
